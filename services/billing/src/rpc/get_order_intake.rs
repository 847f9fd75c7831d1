//! Gets the intake form of one order. Customers get only that of their own orders.

use levqor_proto_billing::v1::{self as wire, GetOrderIntakeRequest, GetOrderIntakeResponse};
use levqor_runtime::{context::Ctx, request::id, timestamp};

use crate::{
    Billing,
    domain::{
        intake_form::{self, Question},
        order::Order,
    },
    error::Error,
    store::{
        order_intakes::{self, Draft},
        orders,
    },
};

pub(super) async fn get_order_intake(
    billing: &Billing,
    ctx: Ctx,
    request: GetOrderIntakeRequest,
) -> Result<GetOrderIntakeResponse, Error> {
    let (scope, order_id) = (ctx.scope(), id("order_id", &request.order_id)?);
    let mut tx = billing.chassis.db.begin().await?;
    orders::claim(&mut tx, &scope).await?;
    let order = orders::get(&mut tx, &scope, order_id).await?.ok_or(Error::OrderNotFound)?;
    let draft = order_intakes::get(&mut tx, order.id).await?;
    tx.commit().await?;
    Ok(GetOrderIntakeResponse { intake: Some(intake(&order, draft)) })
}

/// The form of an order with its answers.
pub(super) fn intake(order: &Order, draft: Draft) -> wire::OrderIntake {
    wire::OrderIntake {
        order_id: order.id.to_string(),
        questions: intake_form::questions(order.terms.tier).iter().map(Into::into).collect(),
        answers: draft.answers.into_iter().collect(),
        update_time: draft.update_time.map(timestamp),
        submit_time: order.submit_time.map(timestamp),
    }
}

impl From<&Question> for wire::order_intake::Question {
    fn from(question: &Question) -> Self {
        Self {
            question_id: question.id.to_owned(),
            text: question.text.to_owned(),
            kind: question.kind.into(),
            required: question.required,
            choices: question.choices.iter().map(|choice| (*choice).to_owned()).collect(),
            max_characters: i32::try_from(question.max_characters).unwrap_or(i32::MAX),
        }
    }
}
