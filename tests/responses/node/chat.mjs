// A page's chat without its page: what `useChat` of @ai-sdk/react keeps in React's state is kept in arrays here; the
// chat and its transport are the AI SDK's own. One command a line comes in as JSON, one answer a line goes out.
import { AbstractChat, DefaultChatTransport } from "ai";
import { createInterface } from "node:readline";

class ArrayState {
  constructor(messages) {
    this.messages = messages;
    this.status = "ready";
    this.error = undefined;
  }
  pushMessage = (message) => {
    this.messages = this.messages.concat(message);
  };
  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.messages.toSpliced(index, 1, structuredClone(message));
  };
  snapshot = (thing) => structuredClone(thing);
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...init }) {
    super({ ...init, state: new ArrayState(messages) });
  }
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function text(message) {
  return message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("");
}

let chat;

function standing() {
  return {
    status: chat.status,
    error: chat.error?.message ?? null,
    said: chat.messages.map((message) => [message.role, text(message)]),
    messages: chat.messages,
  };
}

const commands = {
  // Begin a chat: {url, key, id, messages, body}. Every part that arrives is told at once, as {part}.
  open({ url, key, id, messages, body }) {
    const transport = new DefaultChatTransport({
      api: `${url}/api/chat`,
      headers: { Authorization: `Bearer ${key}` },
      body,
    });
    for (const name of ["sendMessages", "reconnectToStream"]) {
      const asked = transport[name].bind(transport);
      transport[name] = async (options) => told(await asked(options));
    }
    chat = new Chat({ id, messages, transport });
  },
  send: (message) => chat.sendMessage(message),
  regenerate: ({ messageId }) => chat.regenerate(messageId ? { messageId } : {}),
  resume: () => chat.resumeStream(),
  stop: () => chat.stop(),
};

function told(stream) {
  if (stream === null) {
    say({ part: null });
    return null;
  }
  const tell = new TransformStream({
    transform(part, controller) {
      say({ part });
      controller.enqueue(part);
    },
  });
  return stream.pipeThrough(tell);
}

// Commands do not wait for each other: a chat can be stopped while it is answered.
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { command, ...given } = JSON.parse(line);
  try {
    await commands[command](given);
    say({ done: command, ...standing() });
  } catch (error) {
    say({ done: command, failed: String(error) });
  }
});
