//! A person who must not get mail gets none. Tested for every template, class and caller. The permission changes before the
//! message is stored, between storing and delivery, between two attempts, or before staff send it again.

use std::path::Path;

use levqor_notifications::domain::address::AddressKey;
use levqor_proto_mail::v1::SendMessageRequest;
use levqor_proto_notifications::v1::{ResendMessageRequest, SuppressionReason, message::State};
use levqor_runtime::testing::Caller;
use prost::{Message as _, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use secrecy::SecretString;

use crate::{
    ADDRESS_KEY, Notified,
    fake_mail::{Behaviour, FakeMail},
    reason, refused,
};

const ADA: &str = "ada@example.com";

/// When the recipient changes their mind.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    BeforeStoring,
    BeforeDelivery,
    BetweenAttempts,
    BeforeResending,
}

const WHENS: &[When] =
    &[When::BeforeStoring, When::BeforeDelivery, When::BetweenAttempts, When::BeforeResending];

/// Who may ask for mails.
const CALLERS: &[&str] = &["billing", "compliance", "support", "notifications"];

/// One request of each template, made of its sample, with its class.
fn requests() -> Vec<(String, String, SendMessageRequest)> {
    let pool = DescriptorPool::decode(levqor_proto_mail::FILE_DESCRIPTOR_SET).expect("the protos");
    let request = pool.get_message_by_name(&SendMessageRequest::full_name()).expect("the request");
    let content = request.oneofs().find(|oneof| oneof.name() == "content").expect("the templates");
    let option = pool.get_extension_by_name("levqor.mail.v1.template").expect("the option");
    let of = |field: prost_reflect::FieldDescriptor| {
        let data = field.kind().as_message().cloned().expect("a message");
        let options = data.options();
        let options = options.get_extension(&option);
        let class = options.as_message().expect("options").get_field_by_name("class");
        let class = class.and_then(|class| class.as_enum_number()).expect("a class");
        let class = levqor_proto_mail::v1::Class::try_from(class).expect("a class").as_str_name();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("templates/{}.json", field.name()));
        let sample = std::fs::read_to_string(file).expect("a sample");
        let mut json = serde_json::Deserializer::from_str(&sample);
        let data = DynamicMessage::deserialize(data, &mut json).expect("the sample fits");
        let mut message = DynamicMessage::new(request.clone());
        message.set_field(&field, Value::Message(data));
        let mut request = SendMessageRequest::decode(message.encode_to_vec().as_slice()).expect("a request");
        ADA.clone_into(&mut request.recipient);
        (field.name().to_owned(), class.trim_start_matches("CLASS_").to_owned(), request)
    };
    content.fields().map(of).collect()
}

impl Notified {
    pub(crate) async fn suppress(&self, reason: &str) {
        let sql = format!(
            "INSERT INTO suppressions (suppression_id, recipient_hash, recipient, reason, create_time)
             VALUES (gen_random_uuid(), decode('{}', 'hex'), '{ADA}', '{reason}', runtime.now())",
            ada()
        );
        self.execute(&sql).await;
    }

    /// Ada agrees to every category of mail, and nothing else is known of her.
    async fn agree_anew(&self) {
        let sql = format!(
            "DELETE FROM suppressions; DELETE FROM permissions;
             INSERT INTO permissions (recipient_hash, category, state, source, create_time, change_time)
             SELECT decode('{}', 'hex'), category, 'GRANTED', 'test', runtime.now(), runtime.now()
             FROM unnest(array['{}']) AS category",
            ada(),
            categories().join("','"),
        );
        self.execute(&sql).await;
    }

    async fn change_mind(&self, change: Change) {
        match change.sql {
            Some(sql) => self.execute(sql).await,
            None => self.suppress(&change.name.to_uppercase()).await,
        }
    }

    /// Sends a message as this service, changes Ada's mind at that moment, and delivers. Returns the message's id and state.
    async fn sent_around(
        &self,
        provider: &FakeMail,
        case: &Case,
        request: SendMessageRequest,
    ) -> (String, State) {
        if case.when == When::BeforeStoring {
            self.change_mind(case.change).await;
        }
        let caller = Caller::service(case.caller, "notifications").with_key(&request.about);
        let stored = self.mail().send_message(caller.request(request)).await.expect("stored");
        let id = stored.into_inner().message_id;
        match case.when {
            When::BeforeStoring | When::BeforeDelivery => {}
            When::BetweenAttempts => {
                provider.next([Behaviour::Fail(429)]);
                assert_eq!(reason(&refused(self.deliver(&id).await)), "MAIL_PROVIDER_UNAVAILABLE");
            }
            When::BeforeResending => {
                provider.next([Behaviour::Fail(422)]);
                assert_eq!(self.deliver(&id).await.expect("an answer"), State::Failed);
            }
        }
        if case.when != When::BeforeStoring {
            self.change_mind(case.change).await;
        }
        if case.when == When::BeforeResending {
            let again = ResendMessageRequest { message_id: id.clone() };
            self.client()
                .resend_message(Caller::staff().with_key(&id).request(again))
                .await
                .expect("asked again");
        }
        let state = self.deliver(&id).await.expect("an answer");
        (id, state)
    }
}

fn ada() -> String {
    let key = AddressKey::try_new(&SecretString::from(ADDRESS_KEY.1)).expect("a key");
    hex::encode(key.hash(&ADA.parse().expect("an address")).as_bytes())
}

fn categories() -> Vec<String> {
    use levqor_proto_mail::v1::Category;
    (1..100)
        .filter_map(|number| Category::try_from(number).ok())
        .map(|category| category.as_str_name().trim_start_matches("CATEGORY_").to_owned())
        .collect()
}

/// A change of mind, and the mails that it stops. It is SQL, because several RPCs and events make such changes; none: a suppression of that
/// name.
#[derive(Debug, Clone, Copy)]
struct Change {
    name: &'static str,
    sql: Option<&'static str>,
    stops: Stops,
    reason: SuppressionReason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stops {
    Everything,
    Marketing,
    Nothing,
}

const fn change(
    name: &'static str,
    sql: Option<&'static str>,
    stops: Stops,
    reason: SuppressionReason,
) -> Change {
    Change { name, sql, stops, reason }
}

/// Of any four in a row (the last is followed by the first), one stops every class.
const CHANGES: &[Change] = &[
    change("hard_bounce", None, Stops::Everything, SuppressionReason::HardBounce),
    change("complaint", None, Stops::Marketing, SuppressionReason::Complaint),
    change("objection", None, Stops::Marketing, SuppressionReason::Objection),
    change("staff", None, Stops::Everything, SuppressionReason::Staff),
    change(
        "withdrawal",
        Some("UPDATE permissions SET state = 'WITHDRAWN'"),
        Stops::Marketing,
        SuppressionReason::PermissionWithdrawn,
    ),
    change(
        "no_permission",
        Some("DELETE FROM permissions"),
        Stops::Marketing,
        SuppressionReason::NoPermission,
    ),
    change("nothing", Some("SELECT 1"), Stops::Nothing, SuppressionReason::Unspecified),
];

/// The worker of the service delivers nothing for a day, so that only the test delivers.
const HOLD_DELIVERIES: &str = "
    CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.due_time := NEW.due_time + interval '1 day'; RETURN NEW; END $$;
    CREATE TRIGGER held BEFORE INSERT ON runtime.work FOR EACH ROW
    WHEN (NEW.rpc LIKE '%/DeliverMessage') EXECUTE FUNCTION held()";

/// A case: the caller, the requested template (by its place among those of its class), and what changes when.
#[derive(Debug, Clone, Copy)]
struct Case {
    template: usize,
    caller: &'static str,
    change: Change,
    when: When,
}

/// The cases of a class with so many templates. Every caller meets every change at every moment, and every caller requests every
/// template. (What decides does not know the caller; `domain/permit.rs` tries every standing.)
fn cases(templates: usize) -> Vec<Case> {
    let callers = CALLERS.len();
    let groups = templates.max(CHANGES.len() * WHENS.len());
    let case = |step: usize| {
        let (group, caller) = (step / callers, step % callers);
        Case {
            template: group % templates,
            caller: CALLERS[caller],
            change: CHANGES[(group / WHENS.len() + caller) % CHANGES.len()],
            when: WHENS[(group + caller) % WHENS.len()],
        }
    };
    (0..groups * callers).map(case).collect()
}

/// Whether a change stops the mails of a class.
fn stops(change: Change, class: &str) -> bool {
    match change.stops {
        Stops::Everything => true,
        Stops::Marketing => class == "MARKETING",
        Stops::Nothing => false,
    }
}

/// The cases are what the tests claim: they hold each pair of template and caller, caller and moment, change and moment, and a change
/// that stops each template.
fn assert_complete(cases: &[Case], templates: usize, class: &str) {
    let has = |is: &dyn Fn(&Case) -> bool| cases.iter().any(is);
    for template in 0..templates {
        for &caller in CALLERS {
            assert!(has(&|it| it.template == template && it.caller == caller), "{template}, {caller}");
        }
        assert!(has(&|it| it.template == template && stops(it.change, class)), "{template} is never stopped");
    }
    for &when in WHENS {
        for &caller in CALLERS {
            assert!(has(&|it| it.caller == caller && it.when == when), "{caller}, {when:?}");
        }
        for change in CHANGES {
            assert!(has(&|it| it.change.name == change.name && it.when == when), "{change:?}, {when:?}");
        }
    }
}

/// Tries every case of a class.
async fn assert_sent_only_if_allowed(class: &str) {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    notified.execute(HOLD_DELIVERIES).await;
    let requests = requests();
    let of_class: Vec<_> = requests.iter().filter(|(_, of, _)| of == class).collect();
    let cases = cases(of_class.len());
    assert_complete(&cases, of_class.len(), class);
    for (number, case) in cases.into_iter().enumerate() {
        let (template, _, request) = of_class[case.template];
        notified.agree_anew().await;
        let about = format!("test:{number}");
        let before = provider.accepted().len();
        let request = SendMessageRequest { about, ..request.clone() };
        let (id, state) = notified.sent_around(&provider, &case, request).await;
        let stopped = stops(case.change, class);
        let expected = if stopped { (State::Suppressed, 0) } else { (State::Sent, 1) };
        let mails = provider.accepted().len() - before;
        assert_eq!((state, mails), expected, "{template}: {case:?}");
        if stopped {
            let reason = notified.message(&id).await.suppression();
            assert_eq!(reason, case.change.reason, "{template}: {case:?}");
        }
    }
    // A campaign waits in a lane of its own, and delays no other mail.
    let deferred = "runtime.work JOIN messages ON idempotency_key LIKE 'deliver:' || message_id || '%' WHERE";
    let in_lane = notified.count(&format!("{deferred} lane = '/advertising'")).await;
    assert_eq!(
        in_lane > 0,
        class == "MARKETING",
        "{in_lane} deliveries of {class} wait in the lane of advertising"
    );
}

#[tokio::test]
async fn no_transactional_mail_that_the_recipient_must_not_get_is_sent_by_any_path() {
    assert_sent_only_if_allowed("TRANSACTIONAL").await;
}

#[tokio::test]
async fn no_advertising_that_the_recipient_must_not_get_is_sent_by_any_path() {
    assert_sent_only_if_allowed("MARKETING").await;
}

#[tokio::test]
async fn no_mail_to_operators_that_the_recipient_must_not_get_is_sent_by_any_path() {
    assert_sent_only_if_allowed("OPERATOR").await;
}

#[tokio::test]
async fn a_message_that_a_provider_may_have_is_in_doubt_when_it_must_not_be_sent_again() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Behaviour::AcceptAndCut]);
    let id = notified.pending().await;
    notified.execute(&format!("UPDATE messages SET recipient_hash = decode('{}', 'hex')", ada())).await;
    notified.deliver_in_vain(&id, "cut").await;
    notified.suppress("HARD_BOUNCE").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    let doubt = notified.message(&id).await.doubt;
    assert!(doubt.ends_with("HARD_BOUNCE"), "{doubt}");
    assert_eq!((provider.requests(), provider.accepted().len()), (1, 1));
}
