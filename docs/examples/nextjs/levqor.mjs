// Calls Levqor from the server side of a Next.js site: route handlers, server components, server actions. It needs only Node.
// Keep this file out of the browser: it reads the secret that signs tokens.
//
// Its settings are LEVQOR_URL (the gateway), and LEVQOR_JWT_SECRET, LEVQOR_JWT_ISSUER and LEVQOR_JWT_AUDIENCE with the values that
// Levqor has. If Levqor has several secrets, separated by commas, the site may have the same list, or one of them.
import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const TOKEN_SECONDS = 300;
const TRIES = 3;
/** The longest `Retry-After` to wait for: nobody waits longer for a page. */
const LONGEST_WAIT_SECONDS = 10;

const setting = (name, otherwise) => process.env[name] || otherwise;

/**
 * A token for the person who is signed in. `user.id` must be the identity provider's permanent id of the person, never the mail
 * address. Set `user.emailVerified` only if the person has proved that the address is theirs: a verified address gives access to
 * the orders that were bought with it.
 */
export function tokenFor(user) {
  const [secret] = setting("LEVQOR_JWT_SECRET", "").split(",").map((one) => one.trim()).filter(Boolean);
  if (!secret) throw new Error("LEVQOR_JWT_SECRET is not set");
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: setting("LEVQOR_JWT_ISSUER", "https://levqor.ai"),
    aud: setting("LEVQOR_JWT_AUDIENCE", "levqor"),
    sub: user.id,
    email: user.email,
    email_verified: user.emailVerified === true,
    roles: user.roles ?? [],
    iat: now,
    exp: now + TOKEN_SECONDS,
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** An error response of Levqor: the fields of its `application/problem+json`. */
export class LevqorError extends Error {
  constructor(status, problem) {
    super(`Levqor answered ${status} ${problem.reason ?? ""}: ${problem.detail ?? ""}`);
    this.name = "LevqorError";
    this.status = status;
    this.code = problem.code;
    this.reason = problem.reason;
    this.errors = problem.errors ?? [];
    this.retryAfterSeconds = problem.retry_after_s;
    this.requestId = problem.request_id;
    this.traceId = problem.trace_id;
  }
}

/**
 * Makes one call, and repeats it if the response has `Retry-After` (429, 503, 409). A call that changes something is
 * repeated only if it has an idempotency key: without one, nobody knows whether the first call took effect.
 */
export async function call(path, { user, method = "GET", query = {}, body, idempotencyKey } = {}) {
  const url = new URL(path, setting("LEVQOR_URL", "http://127.0.0.1:8080"));
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.set(name, value);
  }
  const headers = { accept: "application/json" };
  if (user) headers.authorization = `Bearer ${tokenFor(user)}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  const repeatable = method === "GET" || idempotencyKey !== undefined;

  for (let tried = 1; ; tried += 1) {
    const response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      // Next.js may cache responses to GET, and one customer's response must never be shown to another customer.
      cache: "no-store",
      signal: AbortSignal.timeout(20_000),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const wait = Number(response.headers.get("retry-after"));
    if (!repeatable || tried >= TRIES || !(wait > 0 && wait <= LONGEST_WAIT_SECONDS)) {
      throw new LevqorError(response.status, answer);
    }
    await sleep(wait * 1000);
  }
}

/** Every entry of a list, page by page: `for await (const order of entries("/v1/orders", "orders", { user }))`. */
export async function* entries(path, name, { user, query = {} } = {}) {
  let page_token;
  do {
    const page = await call(path, { user, query: { ...query, page_token } });
    yield* page[name];
    page_token = page.next_page_token;
  } while (page_token);
}

// How many digits a currency's minor unit has by ISO 4217; all others have two. Intl's own digits differ: it shows HUF with none.
const ISO_DIGITS = new Map([
  ...["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"].map(
    (code) => [code, 0],
  ),
  ...["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"].map((code) => [code, 3]),
  ...["CLF", "UYW"].map((code) => [code, 4]),
]);

/** Money for people to read: Levqor counts in the currency's minor unit. */
export function formatMoney({ currency_code, minor_units }, locale = "en-GB") {
  const digits = ISO_DIGITS.get(currency_code) ?? 2;
  const format = new Intl.NumberFormat(locale, {
    style: "currency",
    currency: currency_code,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return format.format(minor_units / 10 ** digits);
}
