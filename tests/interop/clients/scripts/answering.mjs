// Calls a client's functions, one for each feature, and prints what each returns as JSON.

import { readFileSync } from "node:fs";

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));

export const ASKED = read("asked.json");

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // clients print, too

const say = (line) => write(JSON.stringify(line) + "\n");

export async function answer(name, functions) {
  say({ version: read(`node_modules/${name}/package.json`).version });
  for (const feature of process.argv.slice(2)) {
    try {
      say({ feature, value: await functions[feature]() });
    } catch (error) {
      const body = error.responseBody ?? error.lastError?.responseBody ?? "";
      say({ feature, error: `${error.stack}\n${body}` });
    }
  }
}
