// Whether somebody has begun to fill in a form.

/** A box without a value of its own has one all the same, which is no default. */
const isBox = (field) => ["checkbox", "radio"].includes(field.type);
const isChanged = (field) =>
  isBox(field) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;

export const isTyped = (root) => [...root.querySelectorAll("textarea, input")].some(isChanged);
