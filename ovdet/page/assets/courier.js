// Hands a file that the server made to whoever asked for it. Gradio gives props and watch.

watch("value", () => {
  if (!props.value) return;
  const { name, data } = props.value;
  Object.assign(document.createElement("a"), { href: data, download: name }).click();
  props.value = null; // the same file may be asked for again
});
