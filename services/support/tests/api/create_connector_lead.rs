//! `CreateConnectorLead`: only connectors of our list, because the mail names them.

use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::CreateConnectorLeadRequest;
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::Bench;

#[tokio::test]
async fn the_mail_names_the_connector_as_our_list_does() {
    let bench = Bench::start().await;
    let form = |connector: &str, form_token: &str| {
        Caller::anonymous().request(CreateConnectorLeadRequest {
            form_token: form_token.to_owned(),
            email: "ada@example.com".to_owned(),
            connector: connector.to_owned(),
            ..CreateConnectorLeadRequest::default()
        })
    };
    let token = bench.form_token().await;
    let status = refused(bench.leads().create_connector_lead(form("https://spam.example", &token)).await);
    assert_eq!(violated(&status), ["connector"]);
    bench.leads().create_connector_lead(form("slack", &token)).await.expect("taken");
    let mails = bench.mails().await;
    let Some(Content::ComingSoon(soon)) = &mails[0].content else { panic!("a mail") };
    assert_eq!(soon.connector, "Slack");
}
