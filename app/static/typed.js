// Whether somebody has begun to fill in a form.

const isChanged = (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked;

export const isTyped = (root) => [...root.querySelectorAll("textarea, input")].some(isChanged);
