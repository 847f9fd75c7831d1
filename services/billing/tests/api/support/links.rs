//! Links to orders and subscriptions, as their mails have them.

use levqor_proto_billing::v1::{
    GetLinkedOrderRequest, GetLinkedOrderResponse, UpdateLinkedOrderIntakeRequest,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use tonic::Status;

use super::{Bench, answers};

impl Bench {
    /// The token in the mail that requests the intake form.
    pub(crate) async fn link_token(&self) -> String {
        let link = self.messages().await.into_iter().find_map(|(_, message)| match message.content {
            Some(Content::OrderIntakeRequest(request)) => request.intake_link,
            _ => None,
        });
        let link = link.expect("a link");
        link.rsplit_once("/order?link=").expect("a token").1.to_owned()
    }

    /// The token in the mail that greets a new subscription. `None` if the mail has no link.
    pub(crate) async fn subscription_link_token(&self) -> Option<String> {
        let started = self.messages().await.into_iter().find_map(|(_, message)| match message.content {
            Some(Content::SubscriptionStarted(started)) => Some(started),
            _ => None,
        });
        let link = started.expect("a mail").withdrawal_link?;
        Some(link.rsplit_once("/subscription?link=").expect("a token").1.to_owned())
    }

    pub(crate) async fn linked(&self, link_token: &str) -> Result<GetLinkedOrderResponse, Status> {
        let request =
            Caller::anonymous().request(GetLinkedOrderRequest { link_token: link_token.to_owned() });
        Ok(self.order_client().get_linked_order(request).await?.into_inner())
    }

    pub(crate) async fn answer_by_link(&self, link_token: &str) -> Result<(), Status> {
        let link_token = link_token.to_owned();
        let request = UpdateLinkedOrderIntakeRequest { link_token, answers: answers() };
        let request = Caller::anonymous().request(request);
        self.order_client().update_linked_order_intake(request).await.map(drop)
    }
}
