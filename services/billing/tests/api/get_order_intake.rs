//! `GetOrderIntake`: the form of the order's tier, with the answers so far.

use levqor_proto_billing::v1::{GetOrderIntakeRequest, OrderIntake, order_intake::question::Kind};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::support::{Bench, NO_ORDER, ada, answers, reason, refused};

impl Bench {
    pub(crate) async fn intake(&self, caller: &Caller, order_id: &str) -> Result<OrderIntake, Status> {
        let request = caller.request(GetOrderIntakeRequest { order_id: order_id.to_owned() });
        Ok(self.order_client().get_order_intake(request).await?.into_inner().intake.expect("a form"))
    }
}

#[tokio::test]
async fn the_form_shows_the_questions_of_the_tier_and_the_saved_answers() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let empty = bench.intake(&ada(), &order_id).await.expect("a form");
    assert_eq!((empty.answers.len(), empty.update_time, empty.submit_time), (0, None, None));
    let trigger = empty.questions.iter().find(|question| question.question_id == "trigger").expect("asked");
    assert!(trigger.kind() == Kind::Choice && trigger.required && trigger.choices.len() > 2);
    bench.answer(&ada(), &order_id, answers()).await.expect("saved");
    let draft = bench.intake(&Caller::staff(), &order_id).await.expect("a form");
    assert!(draft.answers == answers() && draft.update_time.is_some() && draft.submit_time.is_none());
    bench.submit(&ada(), &order_id).await.expect("submitted");
    assert!(bench.intake(&ada(), &order_id).await.expect("a form").submit_time.is_some());
}

#[tokio::test]
async fn another_customers_form_reads_the_same_as_none() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    for (caller, order_id) in
        [(Caller::customer("bob", "bob@example.com"), order_id.as_str()), (ada(), NO_ORDER)]
    {
        let status = refused(bench.intake(&caller, order_id).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    }
}
