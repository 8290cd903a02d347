// The first message of a thread, and the list of those there are.
import "./parts.js";
import "./composer.js";
import "./chats.js";
