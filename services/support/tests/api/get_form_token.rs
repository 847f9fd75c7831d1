//! `GetFormToken`: a form is accepted from 3 seconds after its token, for a day. This file also has the helpers of the forms'
//! tests.

use chrono::TimeDelta;
use levqor_proto_support::v1::{
    CreateComplaintRequest, CreateConnectorLeadRequest, CreateGuideLeadRequest, CreateKickoffLeadRequest,
    CreateSalesLeadRequest, GetFormTokenRequest, complaint_service_client::ComplaintServiceClient,
    lead_service_client::LeadServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, reason, refused},
};

use super::{create_complaint::complaint, create_guide_lead::guide};
use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) fn leads(&self) -> LeadServiceClient<Peer> {
        LeadServiceClient::new(self.service.channel())
    }

    pub(crate) fn complaints(&self) -> ComplaintServiceClient<Peer> {
        ComplaintServiceClient::new(self.service.channel())
    }

    /// A token that a person got a while ago.
    pub(crate) async fn form_token(&self) -> String {
        let request = Caller::anonymous().request(GetFormTokenRequest {});
        let token = self.leads().get_form_token(request).await.expect("a token").into_inner().form_token;
        self.advance(TimeDelta::seconds(10)).await;
        token
    }
}

/// The sales form, filled in.
pub(crate) fn sales(form_token: &str) -> CreateSalesLeadRequest {
    CreateSalesLeadRequest {
        form_token: form_token.to_owned(),
        name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        company: "Ada's agency".to_owned(),
        message: "Please automate our invoices.".to_owned(),
        source: "pricing".to_owned(),
        ..CreateSalesLeadRequest::default()
    }
}

#[tokio::test]
async fn a_form_counts_neither_at_once_nor_days_later_nor_without_a_token_of_ours() {
    let bench = Bench::start().await;
    let request = Caller::anonymous().request(GetFormTokenRequest {});
    let token = bench.leads().get_form_token(request).await.expect("a token").into_inner().form_token;
    let send = async |token: &str| {
        let sent = bench.leads().create_sales_lead(Caller::anonymous().request(sales(token))).await;
        sent.map(drop)
    };
    assert_eq!(reason(&refused(send(&token).await)), "FORM_TOO_FAST");
    assert_eq!(reason(&refused(send("1.00").await)), "FORM_TOKEN_INVALID");
    bench.advance(TimeDelta::seconds(4)).await;
    send(&token).await.expect("taken");
    bench.advance(TimeDelta::hours(24)).await;
    assert_eq!(reason(&refused(send(&token).await)), "FORM_TOKEN_INVALID");
    assert_eq!(bench.count("leads").await, 1);
}

#[tokio::test]
async fn every_form_discards_input_of_programs() {
    let bench = Bench::start().await;
    let form_token = bench.form_token().await;
    let (website, email) = ("https://spam.example".to_owned(), "ada@example.com".to_owned());
    let guide = CreateGuideLeadRequest { website: website.clone(), ..guide(form_token.clone()) };
    let kickoff = CreateKickoffLeadRequest {
        form_token: form_token.clone(),
        website: website.clone(),
        name: "Ada".to_owned(),
        email: email.clone(),
        plan: "Professional".to_owned(),
        workflow_description: "Build an integration.".to_owned(),
        tools: "Slack".to_owned(),
        ..CreateKickoffLeadRequest::default()
    };
    let connector = CreateConnectorLeadRequest {
        form_token: form_token.clone(),
        website: website.clone(),
        email,
        connector: "slack".to_owned(),
        ..CreateConnectorLeadRequest::default()
    };
    let complaint = CreateComplaintRequest { website, ..complaint(&form_token) };
    let nobody = Caller::anonymous();
    bench.leads().create_guide_lead(nobody.request(guide)).await.expect("no error");
    bench.leads().create_kickoff_lead(nobody.request(kickoff)).await.expect("no error");
    bench.leads().create_connector_lead(nobody.request(connector)).await.expect("no error");
    for caller in [nobody, ada()] {
        let request = caller.request(complaint.clone());
        bench.complaints().create_complaint(request).await.expect("no error");
    }
    for table in ["leads", "complaints", "tickets"] {
        assert_eq!(bench.count(table).await, 0, "{table}");
    }
    assert!(bench.mails().await.is_empty() && bench.notices().await.is_empty());
}
