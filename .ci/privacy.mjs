// The page /privacy of `levqor up` in headless Chromium, with JavaScript off: a person objects and withdraws a consent by mail and code. The
// codes come from the local mailbox. Then axe-core looks at every page, with JavaScript on, in both colour schemes and two widths.
//   TOKEN=… node .ci/privacy.mjs URL TOOLS FOLDER      TOKEN: of staff. TOOLS has node_modules with playwright-core and axe-core; pictures go into
// FOLDER.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import assert from "node:assert/strict";

const [url, tools, folder] = process.argv.slice(2);
const token = process.env.TOKEN;
const require = createRequire(join(resolve(tools), "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: flags });
const violations = [];
const serious = [];

/** The page /privacy, in a browser that has stored nothing. */
async function privacyPage(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on("console", (message) => {
    if (/VIOLATION|Content Security Policy/.test(message.text())) violations.push(message.text());
  });
  if (options.javaScriptEnabled !== false) {
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => console.error("VIOLATION", event.violatedDirective, event.blockedURI));
    });
  }
  const answer = await page.goto(url + "/privacy");
  const policy = answer.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'.*form-action 'self'/);
  assert.doesNotMatch(policy, /script-src/);
  assert.deepEqual(await context.cookies(), [], "the page stores nothing");
  return page;
}

/** What staff get by a route. */
async function get(path) {
  const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, path);
  return answer;
}

/** The text of the mail of this template to an address, once it is in the mailbox. */
async function mail(template, address) {
  for (let look = 0; look < 100; look++) {
    const { messages = [] } = await (await get(`/v1/messages?template=${template}&recipient=${encodeURIComponent(address)}`)).json();
    if (messages.length) return (await get(`/v1/messages/${messages[0].message_id}/preview?format=FORMAT_TEXT`)).text();
    await new Promise((done) => setTimeout(done, 100));
  }
  return assert.fail(`no mail ${template} came`);
}
const code = async (address) => (await mail("data_request_code", address)).match(/\b\d{6}\b/)[0];

/** The form for an objection, and the one for a withdrawal. */
const objection = (page) => page.locator("form").filter({ hasText: "What do you object to?" });
const withdrawal = (page) => page.locator("form").filter({ hasText: "Which mails do you no longer agree to?" });
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();

async function picture(page, state) {
  await page.screenshot({ path: join(folder, `privacy-${state}.png`), fullPage: true });
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
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, `${state} scrolls sideways`);
}

/** Fills in a form of the page, enters the code, and returns the page that says what has effect. */
async function declare(page, form, address, choose, look) {
  assert.equal(await page.locator("input[type=checkbox]:checked, input[name=objection_scope]:checked").count(), 0, "nothing is ticked in advance");
  await form.getByLabel("Your mail address").fill(address);
  await choose(form);
  await form.getByRole("button", { name: "Send me the code" }).click();
  await heading(page, "Enter the code");
  await look("2-code");
  const right = await code(address);
  await page.getByLabel("The six digits of the mail").fill(right === "000000" ? "000001" : "000000");
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("alert").getByText("This code is not valid").waitFor();
  await look("3-wrong");
  await page.getByLabel("The six digits of the mail").fill(right);
  await page.getByRole("button", { name: "Confirm" }).click();
  await heading(page, "Your choice is in effect");
  await look("4-done");
}

const steps = {
  async "an objection without JavaScript: asked for, confirmed by the code of the mail, in the ledger"() {
    for (const width of [375, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        const address = `objects.${width}.${colorScheme}@example.com`;
        const page = await privacyPage({ viewport: { width, height: 720 }, colorScheme, javaScriptEnabled: false });
        const look = (name) => picture(page, `${name}.${width}.${colorScheme}`);
        await look("1-page");
        await declare(page, objection(page), address, (form) => form.getByLabel("Advertising").check(), look);
        await page.getByText("You object to advertising.").waitFor();
        assert.match(await mail("privacy_preferences_updated", address), /You object to advertising\./);
        const { objections } = await (await get(`/v1/objections?email=${encodeURIComponent(address)}`)).json();
        assert.deepEqual(objections.map(({ scope, objects }) => [scope, objects]), [["OBJECTION_SCOPE_MARKETING", true]]);
      }
    }
  },

  async "a withdrawal without JavaScript: five consents to advertising are withdrawn"() {
    const address = "withdraws@example.com";
    const page = await privacyPage({ javaScriptEnabled: false });
    await declare(page, withdrawal(page), address, (form) => form.getByLabel("All advertising by mail").check(), () => {});
    assert.equal(await page.getByText("You no longer agree to").count(), 5);
    const { consents } = await (await get(`/v1/consents?email=${encodeURIComponent(address)}`)).json();
    assert.deepEqual(consents.map(({ given, shown_version: version }) => [given ?? false, version]), Array(5).fill([false, "privacy-page:1"]));
  },

  async "a form with a mistake says which field it is, in its own form"() {
    const page = await privacyPage({ javaScriptEnabled: false });
    await withdrawal(page).getByLabel("Your mail address").fill("ada@example.com");
    await withdrawal(page).getByRole("button", { name: "Send me the code" }).click();
    await page.getByRole("alert").getByText("Please choose the mails that you no longer agree to.").waitFor();
    assert.equal(await page.getByRole("alert").count(), 1);
    assert.equal(await withdrawal(page).getByLabel("Your mail address").inputValue(), "ada@example.com");
    await picture(page, "5-mistake");
  },

  async "the page keeps to its content security policy with JavaScript on, too"() {
    const page = await privacyPage({});
    await withdrawal(page).getByLabel("Your mail address").fill("ada@example.com");
    await withdrawal(page).getByRole("button", { name: "Send me the code" }).click();
    await page.getByRole("alert").waitFor();
  },

  async "axe-core, in two widths and both colour schemes"() {
    for (const width of [375, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        const address = `axe.${width}.${colorScheme}@example.com`;
        const page = await privacyPage({ viewport: { width, height: 720 }, colorScheme, bypassCSP: true });
        const look = (name) => looked(page, `${name}.${width}.${colorScheme}`);
        await look("1-page");
        await withdrawal(page).getByLabel("Your mail address").fill(address);
        await withdrawal(page).getByRole("button", { name: "Send me the code" }).click();
        await page.getByRole("alert").waitFor();
        await look("5-mistake");
        await page.goto(url + "/privacy");
        await declare(page, objection(page), address, (form) => form.getByLabel("All of these").check(), look);
      }
    }
    assert.deepEqual(serious, []);
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log("ok    ", name);
  } catch (error) {
    failed++;
    console.log("FAILED", name, "\n", error.stack);
  }
}
console.log(`/privacy: ${violations.length} violations of the content security policy, ${serious.length} serious findings of axe-core`);
violations.forEach((found) => console.log(found));
await browser.close();
process.exitCode = failed || violations.length || serious.length ? 1 : 0;
