// The chat widget in headless Chromium, on the page that `levqor up` serves under a strict content security policy: by keyboard alone, with a
// broken stream, with an answer that is withdrawn, without a network, and with hostile answers. axe-core looks at every state in both colour
// schemes and two widths.
//   node .ci/widget.mjs URL TOOLS FOLDER [STEP]      TOOLS has node_modules with playwright-core and axe-core; pictures go into FOLDER.
// With a part of a step's name, only such steps are taken.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import assert from "node:assert/strict";

const [url, tools, folder, only = ""] = process.argv.slice(2);
const require = createRequire(join(resolve(tools), "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");
// Its answer needs no price list, which `levqor up` lacks without a key of Stripe.
const QUESTION = "When does the delivery time begin?";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: flags });
const violations = [];
const serious = [];
const faults = [];

/** A page in a browser that has stored nothing. */
async function pageWith(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error("VIOLATION", event.violatedDirective, event.blockedURI));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on("console", (message) => {
    if (/VIOLATION|Content Security Policy|TrustedHTML/.test(message.text())) violations.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.stack));
  const answer = await page.goto(url + "/demo");
  const policy = answer.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'.*require-trusted-types-for 'script'/);
  assert.doesNotMatch(policy, /unsafe/);
  return page;
}

/** The element that has the focus, in the shadow tree too: its tag, name and text. */
const focused = (page) => page.evaluate(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element && element !== document.body ? `${element.tagName} ${element.name ?? ""} ${element.textContent}`.trim() : "";
});
/** Presses a key until the focus is where this says. */
async function go(page, key, wanted) {
  for (let n = 0; n < 20; n++) {
    if ((await focused(page)).includes(wanted)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${key} does not lead to ${wanted}, but to ${await focused(page)}`);
}
const isOpen = (page) => page.getByRole("dialog", { name: "Levqor support" }).isVisible();
const answers = (page) => page.getByRole("listitem").filter({ hasText: "From our help article" });

async function ask(page, words) {
  await page.getByLabel("Your message").focus();
  await page.keyboard.type(words);
  await page.keyboard.press("Enter");
}
async function looked(page, state) {
  // A source under CSP cannot be evaluated, so this page was opened without.
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes } of found) {
    const where = `${state}: ${id} (${impact}): ${nodes.map((node) => node.target.flat().join(" ")).join(", ")}`;
    console.log("axe:", where);
    if (impact === "serious" || impact === "critical") serious.push(where);
  }
  await page.screenshot({ path: join(folder, `${state}.png`) });
}

const steps = {
  async "by keyboard alone: opened, asked, answered with a source, handed to a person, closed, resumed"() {
    const page = await pageWith({});
    await go(page, "Tab", "Help");
    await page.keyboard.press("Enter");
    assert.ok(await isOpen(page));
    assert.match(await focused(page), /^TEXTAREA/, "the focus moves into the dialog");
    await page.getByText("You are chatting with a program").first().waitFor();
    await page.keyboard.type(QUESTION);
    await page.keyboard.press("Enter");
    await answers(page).getByRole("link").waitFor();
    const live = page.locator("#levqor-chat [aria-live=polite]");
    await page.waitForFunction(() => document.querySelector("#levqor-chat").shadowRoot.querySelector("[aria-live]").textContent.includes("help article"));
    assert.match(await live.textContent(), /^Assistant \(a program\): From our help article/);
    await go(page, "Shift+Tab", "Talk to a person");
    await page.keyboard.press("Enter");
    assert.equal((await focused(page)).slice(0, 10), "INPUT name");
    await page.keyboard.type("Ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type("not an address");
    await page.keyboard.press("Enter");
    await page.getByText("This is not a mail address").waitFor();
    await page.keyboard.press("Control+A");
    await page.keyboard.type("ada@example.com");
    await page.keyboard.press("Enter");
    await page.getByRole("listitem").filter({ hasText: /Your ticket is LQ-\d+/ }).waitFor();
    await page.getByText("A person answers").waitFor();
    assert.match(await focused(page), /^TEXTAREA/);
    await page.keyboard.press("Escape");
    assert.ok(!(await isOpen(page)));
    // The event that moves the focus back comes after the dialog is closed.
    await page.waitForFunction(() => document.querySelector("#levqor-chat").shadowRoot.activeElement?.textContent.trim().endsWith("Help"));
    const kept = await page.evaluate(() => Object.entries({ ...localStorage }).map(([key, value]) => [key, Object.keys(JSON.parse(value))]));
    assert.deepEqual(kept, [["levqor-chat", ["id", "token"]]]);
    await page.reload();
    await go(page, "Tab", "Help");
    await page.keyboard.press("Enter");
    await page.getByRole("listitem").filter({ hasText: /LQ-\d+/ }).waitFor();
    assert.equal(await answers(page).count(), 1, "the conversation goes on");
  },

  async "a stream that breaks: the whole answer comes, once"() {
    const page = await pageWith({});
    await page.getByRole("button", { name: "Help" }).click();
    const cut = "data: {\"accepted\":true}\n\ndata: {\"piece\":\"From our\"}\n\ndata: {\"pie";
    await page.route("**/*:stream", (route) => route.fulfill({ contentType: "text/event-stream", body: cut }));
    await ask(page, QUESTION);
    await answers(page).getByRole("link").waitFor();
    await page.unroute("**/*:stream");
    // The message arrives, and its answer is lost on the way.
    await page.route("**/*:stream", async (route) => { await route.fetch(); await route.fulfill({ contentType: "text/event-stream", body: cut }); });
    await page.waitForTimeout(1100);
    await ask(page, "How do I cancel my subscription?");
    await page.getByRole("listitem").filter({ hasText: "cancel my subscription?" }).waitFor();
    await page.waitForFunction(() => !document.querySelector("#levqor-chat").shadowRoot.querySelector("[aria-busy=true]"));
    assert.equal(await page.getByRole("listitem").filter({ hasText: "How do I cancel my subscription?" }).count(), 1);
    assert.equal(await page.getByRole("listitem").filter({ hasText: "Looking for" }).count(), 0);
  },

  async "an answer of an AI that is withdrawn while it comes: its words vanish, and only the answer that follows is shown and read out"() {
    const page = await pageWith({});
    await page.getByRole("button", { name: "Help" }).click();
    await page.getByText("You are chatting with a program").first().waitFor();
    // Levqor withdraws only what a language model wrote. This server streams such an answer as it does, one part after the other.
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    await page.route("**/*:stream", (route) => route.continue({ url: `http://127.0.0.1:${server.address().port}/` }));
    const asked = once(server, "request");
    await ask(page, QUESTION);
    const [, response] = await asked;
    const write = (part) => response.write(`data: ${JSON.stringify(part)}\n\n`);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const reply = page.getByRole("listitem").last();
    const shows = (words) => reply.filter({ hasText: words }).waitFor();
    write({ accepted: true });
    await shows("Looking for an answer");
    write({ piece: "The clock begins with the form. " });
    write({ piece: "It costs five shells." });
    await shows("begins with the form. It costs five shells.");
    await page.screenshot({ path: join(folder, "withdrawn-before.png") });
    write({ withdrawn: true });
    await shows("Looking for an answer");
    assert.equal(await page.getByText("shells").count(), 0, "nothing that was withdrawn stays");
    write({ piece: "From our help article “Delivery”:" });
    await shows("From our help article “Delivery”:");
    const turn = { position: 1, customer_text: QUESTION, reply: "From our help article “Delivery”:\n\nIt begins with the form.", outcome: "OUTCOME_ANSWERED",
      sources: [{ title: "Delivery", heading: "", url: "https://www.levqor.ai/help/delivery" }] };
    write({ answer: { turn, conversation: { conversation_id: "x", state: "STATE_WITH_ASSISTANT", customer_email: "", turn_count: 1 } } });
    response.end();
    await answers(page).getByRole("link", { name: "Delivery" }).waitFor();
    assert.equal(await page.getByRole("listitem").filter({ hasText: "It begins with the form." }).count(), 1);
    const live = page.locator("#levqor-chat [aria-live=polite]");
    await live.filter({ hasText: "It begins with the form." }).waitFor({ state: "attached" });
    assert.equal(await page.locator("#levqor-chat").getByText("shells").count(), 0);
    await page.screenshot({ path: join(folder, "withdrawn-after.png") });
    server.close();
  },

  async "no answer, and no network: said, with a way to try again and the address of support"() {
    const page = await pageWith({});
    await page.getByRole("button", { name: "Help" }).click();
    await page.getByText("You are chatting with a program").first().waitFor();
    await page.route("**/v1/**", (route) => route.abort());
    await ask(page, QUESTION);
    const alert = page.getByRole("alert");
    await alert.getByText("does not answer at the moment. Your message is not lost.").waitFor();
    assert.equal(await alert.getByRole("link").getAttribute("href"), "mailto:support@levqor.ai");
    await page.screenshot({ path: join(folder, "trouble.png") });
    await page.unroute("**/v1/**");
    await go(page, "Shift+Tab", "Try again");
    await page.keyboard.press("Enter");
    await answers(page).getByRole("link").waitFor();
    assert.equal(await page.getByRole("listitem").filter({ hasText: QUESTION }).count(), 1);
    await page.context().setOffline(true);
    await alert.getByText("You are offline").waitFor();
    await page.context().setOffline(false);
    await alert.waitFor({ state: "hidden" });
    await page.route("**/*:stream", (route) => route.fulfill({ status: 429, headers: { "retry-after": "7" }, contentType: "application/problem+json", body: "{\"reason\":\"RATE_LIMITED\"}" }));
    await ask(page, QUESTION);
    await alert.getByText("in 7 seconds").waitFor();
  },

  async "a message that is refused: said why, and given back to be changed"() {
    const page = await pageWith({});
    await page.getByRole("button", { name: "Help" }).click();
    await page.getByText("You are chatting with a program").first().waitFor();
    const problem = JSON.stringify({ reason: "HIGH_RISK_DATA", detail: "this text names data that we do not take: please leave it out" });
    await page.route("**/*:stream", (route) => route.fulfill({ status: 422, contentType: "application/problem+json", body: problem }));
    await ask(page, "My card is 4111");
    const alert = page.getByRole("alert");
    await alert.getByText("This was not accepted: this text names data that we do not take: please leave it out.").waitFor();
    await page.screenshot({ path: join(folder, "refused.png") });
    await page.keyboard.type("And another thing");
    await go(page, "Shift+Tab", "Change the message");
    await page.keyboard.press("Enter");
    await alert.waitFor({ state: "hidden" });
    assert.match(await focused(page), /^TEXTAREA/);
    assert.equal(await page.getByLabel("Your message").inputValue(), "My card is 4111\nAnd another thing");
    assert.equal(await page.getByRole("listitem").filter({ hasText: "My card is 4111" }).count(), 0);
  },

  async "a conversation that support does not know: a new one begins"() {
    const page = await pageWith({});
    await page.evaluate(() => localStorage.setItem("levqor-chat", JSON.stringify({ id: "01a22a68-3b61-7720-95ef-000000000000", token: "0".repeat(64) })));
    await page.reload();
    await page.getByRole("button", { name: "Help" }).click();
    await page.getByText("You are chatting with a program").first().waitFor();
    await ask(page, QUESTION);
    await answers(page).getByRole("link").waitFor();
  },

  async "a hostile answer stays text, and a hostile address is no link"() {
    const page = await pageWith({});
    await page.getByRole("button", { name: "Help" }).click();
    const turn = {
      position: 1, customer_text: "<b>hello</b>", reply: "<img src=x onerror=alert(1)><script>alert(2)</script>", outcome: "OUTCOME_ANSWERED",
      sources: [{ title: "<i>article</i>", heading: "", url: "javascript:alert(3)" }],
    };
    const answer = { answer: { turn, conversation: { conversation_id: "x", state: "STATE_WITH_ASSISTANT", customer_email: "", turn_count: 1 } } };
    await page.route("**/*:stream", (route) => route.fulfill({ contentType: "text/event-stream", body: `data: ${JSON.stringify(answer)}\n\n` }));
    await ask(page, "<b>hello</b>");
    await page.getByRole("listitem").filter({ hasText: "<img src=x onerror=alert(1)>" }).filter({ hasText: "<i>article</i>" }).waitFor();
    const made = await page.evaluate(() => document.querySelector("#levqor-chat").shadowRoot.querySelectorAll("img, script, b, i, a[href^=javascript]").length);
    assert.equal(made, 0);
  },

  async "nothing moves for those who want no motion"() {
    for (const [reducedMotion, moves] of [["reduce", false], ["no-preference", true]]) {
      const page = await pageWith({ reducedMotion });
      await page.getByRole("button", { name: "Help" }).click();
      const animation = await page.evaluate(() => getComputedStyle(document.querySelector("#levqor-chat").shadowRoot.querySelector("dialog")).animationName);
      assert.equal(animation !== "none", moves, reducedMotion);
    }
  },

  async "axe-core, in two widths and both colour schemes"() {
    for (const width of [375, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        const page = await pageWith({ viewport: { width, height: 720 }, colorScheme, bypassCSP: true, reducedMotion: "reduce" });
        const state = (name) => `${name}.${width}.${colorScheme}`;
        await looked(page, state("1-closed"));
        await page.getByRole("button", { name: "Help" }).click();
        await page.getByText("You are chatting with a program").first().waitFor();
        await ask(page, QUESTION);
        await answers(page).getByRole("link").waitFor();
        await looked(page, state("2-answered"));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, "the page scrolls sideways");
        await page.getByRole("button", { name: "Talk to a person" }).click();
        await page.getByLabel("Your mail address").fill("nobody");
        await page.keyboard.press("Enter");
        await looked(page, state("3-form"));
        await page.getByLabel("Your mail address").fill("");
        await page.keyboard.press("Enter");
        await page.getByRole("listitem").filter({ hasText: /LQ-\d+/ }).waitFor();
        await looked(page, state("4-person"));
        await page.route("**/v1/**", (route) => route.abort());
        await ask(page, "And are you open on Saturday?");
        await page.getByRole("alert").getByText("does not answer").waitFor();
        await looked(page, state("5-trouble"));
      }
    }
    assert.deepEqual(serious, []);
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps).filter(([name]) => name.includes(only))) {
  try {
    await step();
    console.log("ok    ", name);
  } catch (error) {
    failed++;
    console.log("FAILED", name, "\n", error.stack);
  }
}
console.log(`${violations.length} violations of the content security policy, ${serious.length} serious findings of axe-core, ${faults.length} faults of the script`);
[...violations, ...faults].forEach((found) => console.log(found));
await browser.close();
process.exitCode = failed || violations.length || serious.length || faults.length ? 1 : 0;
