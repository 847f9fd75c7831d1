//! The facts that the journeys need and that the descriptor of an RPC lacks: how to make a row of a list, and which fields a request needs
//! beside the ids in its path. It is in `services/<service>/tests/api/<rpc>.json`, beside the test of the RPC. Most RPCs need none.

use std::{fs, path::Path};

use levqor_runtime::{
    access::{Host, Method},
    id::request_id,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::harness::Mesh;

/// The fixture of an RPC.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fixture {
    /// The requests that make a row of one person, if the RPC is a list. Empty for a list that has rows after an order was paid.
    pub(super) rows: Vec<Step>,
    /// When the rows are made, if the rows of several lists are.
    pub(super) turn: Turn,
    /// The fields of a request beside the ids in its path. A GET has them in its query, a POST in its body.
    pub(super) fields: Map<String, Value>,
}

/// The order between fixtures. There is none between those of the same turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Turn {
    /// Before others, so that the newest rows are those of others.
    Early,
    /// Between both.
    #[default]
    Middle,
    /// After all mails to the person were sent.
    Late,
}

/// A request. In its texts, `{name}` is the name of the person, and `{form_token}` is a token for a form of the website. In its path,
/// `{id}` is the id that an earlier request returned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    by: By,
    post: String,
    body: Value,
    /// Where its response has an id that a later request needs, as a JSON pointer.
    id: Option<String>,
}

/// Who posts.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// The person.
    Customer,
    /// Staff, for the person.
    Staff,
    /// A caller who is not signed in.
    Visitor,
}

/// The file of the fixture of an RPC, from the root of the repository.
pub(super) fn file(method: &Method) -> String {
    let folder = match &method.host {
        Host::Service(service) => format!("services/{service}"),
        Host::Every { .. } => "runtime".to_owned(),
    };
    let mut rpc = String::new();
    for c in method.descriptor.name().chars() {
        if c.is_uppercase() && !rpc.is_empty() {
            rpc.push('_');
        }
        rpc.extend(c.to_lowercase());
    }
    format!("{folder}/tests/api/{rpc}.json")
}

impl Fixture {
    /// Reads a fixture. It is empty if there is no file.
    pub(super) fn read(file: &str) -> Self {
        match fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}")),
            Err(_) => Self::default(),
        }
    }

    /// The fields as a query with its question mark. Empty if there are none.
    pub(super) fn query(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        let fields = fields.collect::<Vec<_>>().join("&");
        if fields.is_empty() { fields } else { format!("?{fields}") }
    }

    /// Makes a row of this person.
    pub(super) async fn make_row(&self, mesh: &Mesh, name: &str, form_token: &str) {
        let mut id = String::new();
        for Step { by, post, body, id: id_in_response } in &self.rows {
            let caller = match by {
                By::Customer => mesh.customer(name),
                By::Staff => mesh.staff(),
                By::Visitor => mesh.anon(),
            };
            let body = body.to_string().replace("{name}", name).replace("{form_token}", form_token);
            let body = serde_json::from_str(&body).expect("JSON");
            let path = post.replace("{id}", &id);
            let made = caller.post_with_key(&request_id(), &path, body).await;
            assert_eq!(made.status, 200, "{path}: {}", made.text);
            if let Some(pointer) = id_in_response {
                made.str(pointer).clone_into(&mut id);
            }
        }
    }
}
