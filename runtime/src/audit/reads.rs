//! Records reads of other people's data by staff: one entry in the audit chain per call, written before the response is sent. The
//! descriptors mark the RPCs that show personal data, so a new RPC needs no code here.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};

use super::append;
use crate::{
    access::{self, Method, Repeat},
    context::{Actor, Ctx, Role},
    db::{Db, DbError},
};

/// The action in these entries.
const ACTION: &str = "personal_data.read";

/// A caller who may see the data of all people, and the RPC that shows personal data.
pub(crate) struct Reader {
    actor: Actor,
    method: &'static Method,
}

impl Reader {
    /// `None` if the call needs no entry here. Customers see only their own data, services act for no person, and some RPCs show no
    /// personal data. An RPC that changes data writes its own entry.
    pub(crate) fn of(ctx: &Ctx) -> Option<Self> {
        let Actor::User(user) = &ctx.actor else { return None };
        let reads = ctx.method.repeat == Repeat::Safe && ctx.method.shows_personal_data;
        (reads && user.role >= Role::Staff).then(|| Self { actor: ctx.actor.clone(), method: ctx.method })
    }

    /// Records the read, in a transaction of its own, so that the chain's lock is held for only two statements.
    pub(crate) async fn record(self, db: &Db, request: &[u8], response: &[u8]) -> Result<(), DbError> {
        let ids = ids(self.method, request, response);
        let ids: Vec<_> = ids.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
        let mut tx = db.begin().await?;
        append(&mut tx, &self.actor, ACTION, &ids).await?;
        tx.commit().await
    }
}

/// The ids of the entry: the RPC, the ids in the request, and the ids of a list's rows. A field with personal data is never taken
/// as an id.
fn ids(method: &Method, request: &[u8], response: &[u8]) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::from([("rpc".to_owned(), method.rpc.clone())]);
    if let Ok(request) = DynamicMessage::decode(method.descriptor.input(), request) {
        ids.extend(request.fields().filter_map(|(field, value)| id(&field, value)));
    }
    let output = method.descriptor.output();
    if output.get_field_by_name("next_page_token").is_some()
        && let Ok(response) = DynamicMessage::decode(output, response)
    {
        let rows =
            response.fields().filter_map(|(_, value)| value.as_list().map(<[Value]>::to_vec)).flatten();
        let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let first = row.as_message().and_then(|row| {
                let field = row.descriptor().get_field(1)?;
                id(&field, &row.get_field(&field))
            });
            if let Some((name, id)) = first {
                listed.entry(name).or_default().push(id);
            }
        }
        ids.extend(listed.into_iter().map(|(name, ids)| (name, ids.join(","))));
    }
    ids
}

fn id(field: &FieldDescriptor, value: &Value) -> Option<(String, String)> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    let is_id = field.name().ends_with("_id") && access::is_open(field);
    is_id.then(|| (field.name().to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use levqor_proto::billing::v1::{
        GetOrderRequest, GetOrderResponse, ListOrdersRequest, ListOrdersResponse, Order,
    };
    use prost::Message;

    use super::*;
    use crate::{access::methods, context::User};

    fn method(name: &str) -> &'static Method {
        methods().iter().find(|method| method.rpc.ends_with(name)).expect(name)
    }

    fn ctx(name: &str, actor: Actor) -> Ctx {
        Ctx {
            actor,
            user_token: None,
            request_id: String::new(),
            idempotency_key: None,
            deadline: std::time::Instant::now(),
            method: method(name),
            client: crate::context::Client::default(),
        }
    }

    fn user(role: Role) -> Actor {
        Actor::User(User { sub: "u".to_owned(), email: None, email_verified: false, role })
    }

    #[test]
    fn reads_of_personal_data_by_staff_are_recorded_and_no_others() {
        for (rpc, actor, recorded) in [
            ("/GetOrder", user(Role::Staff), true),
            ("/GetOrder", user(Role::Admin), true),
            ("/GetOrder", user(Role::Customer), false),
            ("/GetOrder", Actor::Service("support".to_owned()), false),
            ("/GetOrder", Actor::Anonymous, false),
            ("/ListOrders", user(Role::Staff), true),
            ("/GetMessage", user(Role::Staff), true),
            ("/GetMessagePreview", user(Role::Staff), true),
            ("/ListMessages", user(Role::Staff), true),
            ("/GetStripeEvent", user(Role::Staff), true),
            ("/ListStripeEvents", user(Role::Staff), true),
            ("/GetProviderEvent", user(Role::Staff), true),
            // They show no personal data.
            ("/ListProviderEvents", user(Role::Staff), false),
            ("/ListDeferredCalls", user(Role::Admin), false),
            // They write their own entries.
            ("/ReplayStripeEvent", user(Role::Staff), false),
            ("/ResolveMessage", user(Role::Staff), false),
        ] {
            assert_eq!(Reader::of(&ctx(rpc, actor.clone())).is_some(), recorded, "{rpc} by {actor:?}");
        }
    }

    #[test]
    fn an_entry_names_ids_and_nothing_personal() {
        let order = |id: &str| Order {
            order_id: id.to_owned(),
            customer_email: "ada@example.com".to_owned(),
            stripe_customer_id: "cus_ada".to_owned(),
            ..Default::default()
        };
        let named = |rpc: &str, request: Vec<u8>, response: Vec<u8>| {
            let ids = ids(method(rpc), &request, &response);
            ids.into_iter().filter(|(name, _)| name != "rpc").collect::<Vec<_>>()
        };
        let entry = |id: &str| vec![("order_id".to_owned(), id.to_owned())];

        let get = GetOrderRequest { order_id: "1".to_owned() }.encode_to_vec();
        let got = GetOrderResponse { order: Some(order("1")), ..Default::default() }.encode_to_vec();
        assert_eq!(named("/GetOrder", get, got), entry("1"));

        let list = ListOrdersRequest {
            customer_email: "ada@example.com".to_owned(),
            stripe_checkout_session_id: "cs_ada".to_owned(),
            ..Default::default()
        };
        let listed = ListOrdersResponse { orders: vec![order("1"), order("2")], ..Default::default() };
        assert_eq!(named("/ListOrders", list.encode_to_vec(), listed.encode_to_vec()), entry("1,2"));
        assert_eq!(named("/ListOrders", list.encode_to_vec(), Vec::new()), Vec::new());
    }
}
