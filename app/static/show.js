// Shows of a fragment only the parts that fit what it is about.

/** Shows the parts of `root` that name `value`, and hides its others. */
export function showOnly(root, value) {
  for (const part of root.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== value;
}
