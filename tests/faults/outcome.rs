//! The checks at the end of every fault test: nothing was lost, nothing was done twice, and each message in doubt is shown.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::{audit, db::Db};

use super::{processes::Mesh, shop::Shop};

async fn pairs(db: &Db, query: &'static str) -> Vec<(String, String)> {
    sqlx::query_as(query).fetch_all(db.pool()).await.expect("rows")
}

/// Checks that every acknowledged event is settled, and that every order exists once, has both its messages and was counted as
/// paid once.
pub(crate) async fn assert_told_once(mesh: &Mesh, shop: &Shop) {
    let events: BTreeMap<_, _> =
        pairs(mesh.billing(), "SELECT event_id, state FROM stripe_events").await.into_iter().collect();
    for event in shop.events() {
        let state = events.get(&event).map(String::as_str);
        assert!(matches!(state, Some("PROCESSED" | "IGNORED")), "{event} was acknowledged and is {state:?}");
    }
    let orders = pairs(mesh.billing(), "SELECT stripe_checkout_session_id, payment_state FROM orders").await;
    let sessions: BTreeSet<_> = orders.iter().map(|(session, _)| session.clone()).collect();
    assert_eq!((orders.len(), sessions), (shop.sold().len(), shop.sold()), "each checkout has one order");
    assert!(orders.iter().all(|(_, state)| state == "PAID"), "{orders:?}");

    let paid = "SELECT ids ->> 'order_id', count(*)::text FROM runtime.audit_entries
                WHERE action = 'order.paid' GROUP BY 1";
    let paid = pairs(mesh.billing(), paid).await;
    assert_eq!(paid.len(), orders.len(), "each order was told to be paid");
    assert!(paid.iter().all(|(_, times)| times == "1"), "{paid:?}");
    let chain = audit::verify(&mut mesh.billing().acquire().await.expect("a connection")).await;
    assert!(matches!(chain, Ok(audit::Chain::Whole { .. })), "{chain:?}");

    // Flows send reminders and offers when days pass.
    let messages = "SELECT about, string_agg(template, ' ' ORDER BY template) FROM messages
                    WHERE template NOT IN ('order_intake_reminder', 'order_upgrade_offer', 'order_upgrade_last_call')
                    GROUP BY about";
    let messages = pairs(mesh.notifications(), messages).await;
    assert_eq!(messages.len(), orders.len(), "each order has its messages: {messages:?}");
    assert!(messages.iter().all(|(_, both)| both == "order_intake_request order_welcome"), "{messages:?}");
    for db in [mesh.billing(), mesh.notifications()] {
        let dead = pairs(db, "SELECT rpc, failure FROM runtime.work WHERE state = 'DEAD'").await;
        assert!(dead.is_empty(), "{dead:?}");
    }
}
