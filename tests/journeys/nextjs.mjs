// Uses docs/examples/nextjs against a running mesh, as a site would, and prints what came of it as one JSON document.
// Arguments: the ids of two Stripe events.
import { call, entries, formatMoney, LevqorError, tokenFor } from "../../docs/examples/nextjs/levqor.mjs";
import { ordersRoute } from "../../docs/examples/nextjs/orders.mjs";

const [event, otherEvent] = process.argv.slice(2);
const alice = { id: "auth|alice", email: "alice@example.com", emailVerified: true };
const eve = { id: "auth|eve", email: "alice@example.com", emailVerified: false };
const staff = { id: "auth|staff", roles: ["staff"] };

const failure = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    if (!(error instanceof LevqorError)) throw error;
    return { status: error.status, reason: error.reason, fields: error.errors.map((e) => e.field), request: error.requestId };
  }
};
const route = async (user, query = "") => {
  const GET = ordersRoute(async () => (user ? { user } : null));
  const response = await GET(new Request(`https://site.example/api/orders${query}`));
  return { status: response.status, body: await response.json() };
};
const all = async (user, query) => {
  const ids = [];
  for await (const order of entries("/v1/orders", "orders", { user, query })) ids.push(order.order_id);
  return ids;
};
const replay = (id, idempotencyKey) =>
  call(`/v1/stripe-events/${id}:replay`, { user: staff, method: "POST", body: {}, idempotencyKey });

const first = await replay(event, "nextjs-1");
const result = {
  alice: await route(alice),
  eve: await route(eve),
  nobody: await route(null),
  wrongFilter: await route(alice, "?payment_state=NONSENSE"),
  paged: await all(staff, { page_size: 1 }),
  whole: await all(staff, {}),
  paid: await all(staff, { payment_state: "PAYMENT_STATE_PAID" }),
  without: await failure(call("/v1/orders")),
  unknown: await failure(call("/v1/orders", { user: alice, query: { foo: 1 } })),
  same: JSON.stringify(await replay(event, "nextjs-1")) === JSON.stringify(first),
  reused: await failure(replay(otherEvent, "nextjs-1")),
  money: [
    formatMoney({ currency_code: "GBP", minor_units: 9900 }),
    formatMoney({ currency_code: "JPY", minor_units: 500 }),
    // Intl shows these two without a fraction; ISO 4217, and so Levqor, counts them in hundredths.
    formatMoney({ currency_code: "HUF", minor_units: 1000050 }).replace("\u00a0", " "),
    formatMoney({ currency_code: "MGA", minor_units: 50000 }).replace("\u00a0", " "),
  ],
  parts: tokenFor(alice).split(".").length,
};
console.log(JSON.stringify(result));
