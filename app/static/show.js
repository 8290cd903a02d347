// Shows of a fragment only the parts that fit what it is about.

/** Shows the parts of `root` whose `data-<about>` names `value`, and hides its others. */
export function showOnly(root, value, about = "when") {
  for (const part of root.querySelectorAll(`[data-${about}]`)) {
    part.hidden = !part.dataset[about].split(" ").includes(value);
  }
}
