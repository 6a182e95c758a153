// Speaks the Language Server Protocol with yaml-language-server, as an editor does, and hands its answers back.
//
//   node driver.mjs SERVER SCHEMA < questions.json > answers.json
//
// A question is { uri, text, line?, character? }. Its answer holds the server's diagnostics of that document and, where a
// place is given, its completions and its hover text there.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [serverPath, schemaPath] = process.argv.slice(2);
const questions = JSON.parse(readFileSync(0, "utf8"));
const settings = {
  yaml: {
    validate: true,
    completion: true,
    hover: true,
    schemaStore: { enable: false },
    schemas: { [pathToFileURL(schemaPath).href]: "*.yaml" },
  },
};

const server = spawn(process.execPath, [serverPath, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const fail = (why) => {
  server.kill();
  console.error(why);
  process.exit(1);
};
const deadline = setTimeout(() => fail("the language server did not answer within two minutes"), 120_000);
server.on("exit", () => waiting.size > 0 && fail("the language server ended"));

const waiting = new Map();
const diagnostics = new Map();
const watchers = new Map();
let last = 0;

const send = (message) => {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
  server.stdin.write(body);
};
const request = (method, params) =>
  new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    send({ id: last, method, params });
  });
const notify = (method, params) => send({ method, params });

const receive = (message) => {
  if (message.method && message.id !== undefined) {
    // The server asks its editor: for settings, or to take note of something.
    const sections = message.method === "workspace/configuration" ? message.params.items : undefined;
    send({ id: message.id, result: sections ? sections.map((item) => settings[item.section] ?? {}) : null });
  } else if (message.id !== undefined) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    message.error ? reject(new Error(message.error.message)) : resolve(message.result);
  } else if (message.method === "textDocument/publishDiagnostics") {
    diagnostics.set(message.params.uri, message.params.diagnostics);
    watchers.get(message.params.uri)?.();
  }
};

let buffer = Buffer.alloc(0);
server.stdout.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const head = buffer.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffer.subarray(0, head).toString())[1]);
    if (buffer.length < head + 4 + length) return;
    const body = buffer.subarray(head + 4, head + 4 + length).toString();
    buffer = buffer.subarray(head + 4 + length);
    receive(JSON.parse(body));
  }
});

const answer = async ({ uri, text, line, character }) => {
  const published = new Promise((resolve) => watchers.set(uri, resolve));
  notify("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
  await published;
  const found = { diagnostics: diagnostics.get(uri).map(({ severity, message, range }) => ({ severity, message, line: range.start.line + 1 })) };
  if (line !== undefined) {
    const place = { textDocument: { uri }, position: { line, character } };
    const completions = await request("textDocument/completion", place);
    found.completions = (completions?.items ?? completions ?? []).map(({ label, insertText, documentation }) => ({
      label,
      insertText,
      documentation: documentation?.value ?? documentation ?? "",
    }));
    found.hover = (await request("textDocument/hover", place))?.contents?.value ?? "";
  }
  notify("textDocument/didClose", { textDocument: { uri } });
  return found;
};

try {
  await request("initialize", {
    processId: process.pid,
    rootUri: null,
    capabilities: {
      workspace: { configuration: true },
      textDocument: {
        completion: { completionItem: { snippetSupport: true, documentationFormat: ["markdown"] } },
        hover: { contentFormat: ["markdown"] },
      },
    },
  });
  notify("initialized", {});
  notify("workspace/didChangeConfiguration", { settings });
  const answers = [];
  for (const question of questions) answers.push(await answer(question));
  await request("shutdown", null);
  notify("exit");
  clearTimeout(deadline);
  process.stdout.write(JSON.stringify(answers));
} catch (error) {
  fail(String(error));
}
