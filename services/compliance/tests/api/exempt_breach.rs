//! Staff decide, with reasons, that the regulator needs no notice.

use levqor_proto_compliance::v1::{Breach, ExemptBreachRequest, breach::State};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::bench::{Bench, NOBODYS};

pub(crate) async fn exempt(bench: &Bench, id: &str, reasons: &str) -> Result<Breach, Status> {
    let request = ExemptBreachRequest { breach_id: id.to_owned(), reasons: reasons.to_owned() };
    let exempted = bench.breaches().exempt_breach(Caller::staff().request(request)).await?;
    Ok(exempted.into_inner().breach.expect("a breach"))
}

#[tokio::test]
async fn an_exemption_needs_reasons_and_is_recorded_once() {
    let bench = Bench::start().await;
    let id = bench.breach().await.breach_id;
    assert_eq!(violated(&refused(exempt(&bench, &id, " ").await)), ["reasons"]);
    let exempted = exempt(&bench, &id, "The list was encrypted.").await.expect("exempt");
    assert_eq!(exempted.state(), State::NotNotifiable);
    assert_eq!(exempted.exemption.expect("an exemption").reasons, "The list was encrypted.");
    assert_eq!(reason(&refused(exempt(&bench, &id, "Again.").await)), "BREACH_STATE");
    assert_eq!(reason(&refused(exempt(&bench, NOBODYS, "Nothing.").await)), "BREACH_NOT_FOUND");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'breach.exempt'").await, 1);
}
