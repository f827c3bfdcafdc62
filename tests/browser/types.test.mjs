// The type declarations: correct, and about the same module.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import ts from "typescript";

const ASSETS = new URL("../../src/browser/assets/", import.meta.url);
const declarations = fileURLToPath(new URL("login-timeout.d.ts", ASSETS));
const usage = fileURLToPath(new URL("usage.ts", import.meta.url));
const source = readFileSync(new URL("login-timeout.js", ASSETS), "utf8");
const program = ts.createProgram([usage], {
  strict: true,
  noEmit: true,
  noUnusedLocals: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ES2022,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  paths: { "/session/login-timeout.js": [declarations] },
});

test("a page that uses everything passes, and mistakes do not", () => {
  const found = ts.getPreEmitDiagnostics(program);
  const messages = found.map(({ messageText, file, start }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
  assert.deepEqual(messages, []);
});

test("the declared options are the ones that the module reads", () => {
  const read = [...source.matchAll(/\boptions\.(\w+)/g)].map(([, name]) => name);
  assert.deepEqual(membersOf("Options"), [...new Set(read)].sort());
});

test("the declared texts are the ones that there are", async () => {
  const { default: texts } = await import(new URL("login-timeout.texts.js", ASSETS));
  const languages = Object.keys(texts).sort();
  assert.deepEqual(languages, ["ar", "de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt"]);
  for (const [language, table] of Object.entries(texts)) {
    assert.deepEqual(Object.keys(table).sort(), membersOf("Texts"), language);
    assert.equal(table.lang, language);
    for (const [name, text] of Object.entries(table)) assert.ok(text.trim() === text && text, name);
  }
});

test("the declared exports are the ones of the module", () => {
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(declarations));
  const values = checker.getExportsOfModule(module).filter(({ flags }) => flags & ts.SymbolFlags.Value);
  const declared = values.map(({ name }) => name).sort();
  const [, exported] = /export const \{ (.*?) \}/.exec(source);
  assert.deepEqual(declared, exported.split(", ").sort());
});

function membersOf(name) {
  const isIt = (node) => ts.isInterfaceDeclaration(node) && node.name.text == name;
  const { members } = program.getSourceFile(declarations).statements.find(isIt);
  return members.map((member) => member.name.text).sort();
}
