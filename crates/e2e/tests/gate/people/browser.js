// A client of node's openid-client sends a person to the issuer; the person is Chromium, driven over its debugging pipe, with
// the keyboard alone and scripts switched off. Prints what assistive technology would be told, and what the client got.
// SCREENSHOTS, if set, is a folder for pictures of the pages.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const [library, issuer, password] = process.argv.slice(2);
const oauth = await import(library);

// The browser ends with the pipe, and the pipe with this process.
setTimeout(() => process.exit(1), 60_000).unref();
const profile = mkdtempSync(`${tmpdir()}/browser-`);
const browser = spawn(
  "chromium-headless-shell",
  ["--remote-debugging-pipe", `--user-data-dir=${profile}`, "--no-sandbox", "--disable-gpu", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
const waiting = new Map();
const hearing = [];
let rest = "";
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (rest + text).split("\0");
  rest = messages.pop();
  for (const message of messages.map((one) => JSON.parse(one))) {
    if (message.id) waiting.get(message.id)(message);
    else hearing.forEach((hear) => hear(message));
  }
});
let session;
let count = 0;
const ask = (method, params = {}) =>
  new Promise((resolve, reject) => {
    waiting.set(++count, ({ error, result }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
    browser.stdio[3].write(JSON.stringify({ id: count, method, params, sessionId: session }) + "\0");
  });
const event = (method) =>
  new Promise((resolve) => {
    const hear = (message) => message.method === method && (hearing.splice(hearing.indexOf(hear), 1), resolve(message.params));
    hearing.push(hear);
  });
const loading = async (act) => {
  const loaded = event("Page.loadEventFired");
  await act();
  await loaded;
};

const { targetInfos } = await ask("Target.getTargets");
const { targetId } = targetInfos.find(({ type }) => type === "page");
session = (await ask("Target.attachToTarget", { targetId, flatten: true })).sessionId;
await ask("Page.enable");
await ask("Accessibility.enable");
await ask("Emulation.setFocusEmulationEnabled", { enabled: true });
await ask("Emulation.setScriptExecutionDisabled", { value: true });
await ask("Emulation.setDeviceMetricsOverride", { width: 480, height: 640, deviceScaleFactor: 1, mobile: false });

const key = async (key, code, text) => {
  await ask("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, windowsVirtualKeyCode: code, text });
  await ask("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, windowsVirtualKeyCode: code });
};
const tab = () => key("Tab", 9);
const enter = () => key("Enter", 13, "\r");
const type = async (text) => {
  for (const letter of text) await ask("Input.dispatchKeyEvent", { type: "char", text: letter });
};
const isFocused = ({ role, properties }) =>
  role.value !== "RootWebArea" && properties?.some(({ name, value }) => name === "focused" && value.value);
/** What a screen reader would say: headings and alerts, and where the focus is. */
const look = async (name) => {
  // The focus is set when the page is drawn, which is after it was loaded.
  let nodes;
  do ({ nodes } = await ask("Accessibility.getFullAXTree"));
  while (!nodes.some(isFocused));
  const said = ({ role, name }) => `${role.value} "${name?.value ?? ""}"`;
  const inside = (node) => (node.childIds ?? []).map((id) => nodes.find((other) => other.nodeId === id)).filter(Boolean);
  const text = (node) => (node.role.value === "StaticText" ? node.name.value : inside(node).map(text).join(""));
  const parts = nodes.filter((node) => ["heading", "alert"].includes(node.role?.value));
  console.log(`${name}: ${parts.map((node) => `${node.role.value} "${text(node)}"`).join(", ")}`);
  console.log("  focus:", said(nodes.find(isFocused)));
  if (process.env.SCREENSHOTS) {
    for (const scheme of ["light", "dark"]) {
      await ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      const { data } = await ask("Page.captureScreenshot");
      writeFileSync(`${process.env.SCREENSHOTS}/${name.replaceAll(" ", "-")}-${scheme}.png`, Buffer.from(data, "base64"));
    }
  }
};

let back;
const server = createServer((request, response) => {
  response.end("<title>back</title>You can close this.");
  if (request.url.startsWith("/back")) back(new URL(request.url, redirect));
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.on("listening", resolve));
const redirect = `http://127.0.0.1:${server.address().port}/back`;

const config = await oauth.discovery(new URL(issuer), "app", undefined, oauth.None(), {
  algorithm: "oauth2",
  execute: [oauth.allowInsecureRequests],
});
const verifier = oauth.randomPKCECodeVerifier();
const state = oauth.randomState();
const resource = `${issuer}/shop`;
const url = oauth.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: "orders:read",
  state,
  resource,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});

await loading(() => ask("Page.navigate", { url: url.href }));
await look("sign in");
await type("alice");
await tab();
await type("not the password");
await loading(enter);
await look("wrong password");
await type(password);
// The page is reloaded by GET, and is another one then.
await loading(enter);
await look("consent");
await tab();
await look("second choice");
await tab();
await look("third choice");
await ask("Input.dispatchKeyEvent", { type: "keyDown", key: "Tab", code: "Tab", windowsVirtualKeyCode: 9, modifiers: 8 });
await ask("Input.dispatchKeyEvent", { type: "keyDown", key: "Tab", code: "Tab", windowsVirtualKeyCode: 9, modifiers: 8 });
const returned = new Promise((resolve) => (back = resolve));
await enter();
const address = await returned;
console.log("back:", [...address.searchParams.keys()].join(" "));

const tokens = await oauth.authorizationCodeGrant(config, address, { pkceCodeVerifier: verifier, expectedState: state });
console.log("tokens:", tokens.token_type, tokens.expires_in > 590, tokens.scope, Boolean(tokens.refresh_token));
const call = async (token) => {
  const outcome = await oauth.fetchProtectedResource(config, token, new URL(`${resource}/books`), "GET").catch((error) => error);
  return outcome.status;
};
console.log("call:", await call(tokens.access_token));
const refreshed = await oauth.refreshTokenGrant(config, tokens.refresh_token, { resource });
console.log("refreshed:", refreshed.refresh_token !== tokens.refresh_token, await call(refreshed.access_token));
const again = await oauth.refreshTokenGrant(config, refreshed.refresh_token);
console.log("refreshed again:", await call(again.access_token));
const reused = await oauth.refreshTokenGrant(config, tokens.refresh_token).catch((error) => error);
console.log("an old one:", reused.error, await call(again.access_token));

const ended = new Promise((resolve) => browser.on("exit", resolve));
session = undefined;
ask("Browser.close");
await ended;
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
process.exit();
