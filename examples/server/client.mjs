// node client.mjs photo.jpg [more.jpg ...]: ask a running zoo-serve for several images in one request; Node.js 18.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const server = process.env.SERVER ?? "http://127.0.0.1:8000";
const paths = process.argv.slice(2);
const form = new FormData();
for (const path of paths) form.append("image", new Blob([await readFile(path)]), basename(path));
const response = await fetch(`${server}/predict/batch?top_k=3`, { method: "POST", body: form });
const answer = await response.json();
if (!response.ok) throw new Error(`${response.status} ${answer.error}`);
answer.answers.forEach((one, number) => {
  if (one.error) console.log(`${paths[number]}\t${one.status} ${one.error}`);
  for (const { class: name, probability } of one.predictions ?? []) {
    console.log(`${paths[number]}\t${name}\t${probability.toFixed(6)}`);
  }
});
