// The route handler of a page that shows a customer's own orders. In a Next.js site:
//
//   // app/api/orders/route.js
//   import { auth } from "@/auth"; // Auth.js
//   import { ordersRoute } from "@/lib/orders.mjs";
//   export const GET = ordersRoute(auth);
import { LevqorError, call, formatMoney } from "./levqor.mjs";

/** `auth` returns the session of the person who is signed in, or nothing. */
export function ordersRoute(auth) {
  return async function GET(request) {
    const session = await auth();
    if (!session?.user) return Response.json({ error: "sign in first" }, { status: 401 });
    const { searchParams } = new URL(request.url);
    try {
      const page = await call("/v1/orders", {
        user: session.user,
        query: { page_size: 20, page_token: searchParams.get("page_token"), payment_state: searchParams.get("payment_state") },
      });
      const orders = page.orders.map((order) => ({
        id: order.order_id,
        payment_state: order.payment_state,
        fulfilment_state: order.fulfilment_state,
        price: formatMoney(order.amount),
        bought: order.create_time,
      }));
      return Response.json({ orders, next: page.next_page_token || null });
    } catch (error) {
      if (!(error instanceof LevqorError)) throw error;
      // The page may show what is wrong with the request. Everything else is in Levqor's log, under the request's id.
      console.error(error.message, "request", error.requestId);
      const status = error.status >= 500 ? 502 : error.status;
      return Response.json({ error: error.reason, fields: error.errors, request: error.requestId }, { status });
    }
  };
}
