//! A message to a conversation, and its answer, in one transaction. The row of the conversation is locked, so messages of one
//! conversation are answered one after the other.

use std::time::Instant;

use levqor_proto_support::v1 as wire;
use levqor_runtime::{
    context::{Actor, Ctx, Role},
    db::{self, DbError, Tx},
    rpc::{Done, mutate},
};
use prost::Message;
use tokio::sync::mpsc;

use crate::{
    Support, assistant,
    domain::{
        conversation::{Conversation, ConversationId, State},
        facts::Facts,
        model_call::ModelOutcome,
        plan::Plan,
        reply,
        secret_token::SecretToken,
        step::{Step, gives_up},
        ticket::{Customer, Ticket},
        turn::{HandOffReason, Outcome, Turn},
    },
    drafting,
    drafting::Draft,
    error::Error,
    hand_off::{hand_off, live_ticket},
    operators,
    own_data::{self, OwnData},
    plans, screening,
    store::{
        conversations::{self, Claim},
        model_calls, turns,
    },
    tickets,
};

/// What other services said before the transaction began.
pub(crate) struct Known {
    pub(crate) facts: Facts,
    pub(crate) plan: Plan,
    /// Whether the caller is a signed-in customer: staff have no account to look at.
    pub(crate) is_customer: bool,
    /// The part of the caller's own account that the message asks about.
    pub(crate) own: Option<OwnData>,
    /// The language model's text, if the model was asked.
    pub(crate) draft: Option<Draft>,
}

impl Known {
    /// Asks them. What does not answer in time is not known.
    pub(crate) async fn ask(support: &Support, ctx: &Ctx) -> Result<Self, Error> {
        support.library.ready(&support.chassis.db).await?;
        let facts = support.facts.now(&support.chassis, &ctx.request_id).await;
        let plan = plans::of_caller(&support.chassis, ctx).await;
        let is_customer = matches!(&ctx.actor, Actor::User(user) if user.role == Role::Customer);
        Ok(Self { facts, plan, is_customer, own: None, draft: None })
    }

    /// Looks at the caller's own account, and asks the language model, if the assistant searches for an answer.
    pub(crate) async fn look_up(&mut self, support: &Support, ctx: &Ctx, asked: &Asked) -> Result<(), Error> {
        // The rules decide first, so no answer of the model keeps anybody from a person.
        if support.signals.step(&asked.question, asked.earlier.first()) != Step::Search {
            return Ok(());
        }
        let is_own =
            matches!(&ctx.actor, Actor::User(user) if asked.customer.sub.as_ref() == Some(&user.sub));
        if is_own {
            self.own = own_data::read(support, ctx, &asked.question).await?;
        }
        self.draft = drafting::draft(support, ctx, &self.facts, asked, self.own.as_ref()).await?;
        Ok(())
    }
}

/// The question in a message, as far as it is known before its transaction begins.
pub(crate) struct Asked {
    /// When the message came.
    pub(crate) begin: Instant,
    /// The message, after those of the same burst.
    pub(crate) question: String,
    pub(crate) customer: Customer,
    /// The turns before, the last one first.
    pub(crate) earlier: Vec<Turn>,
    pub(crate) listener: Option<Listener>,
}

/// The receiver of the answer while the model writes it: it gets the text of each statement, in order. If the turn gets another answer in
/// the end, the receiver has to withdraw them.
pub(crate) type Listener = mpsc::Sender<String>;

/// How many earlier messages of the customer the model gets, so that it understands "and how much is that?".
const EARLIER: i64 = 3;

impl Asked {
    /// Reads it. None if the assistant does not answer the message, or has nothing to look up for it.
    async fn of(
        support: &Support,
        ctx: &Ctx,
        posted: &Posted,
        begin: Instant,
    ) -> Result<Option<Self>, DbError> {
        if ctx.user_token.is_none() && drafting::awake(support).is_none() {
            return Ok(None);
        }
        let mut conn = support.chassis.db.acquire().await?;
        let Some(conversation) = conversations::get(&mut conn, &posted.claim, posted.id).await? else {
            return Ok(None);
        };
        if conversation.state != State::WithAssistant {
            return Ok(None);
        }
        let now = db::now(&mut conn).await?;
        let before = conversation.turn_count + 1;
        let mut turns = turns::last(&mut conn, conversation.id, before, EARLIER).await?.into_iter();
        let mut last = turns.next();
        let mut question = posted.text.clone();
        if let Some(mut burst) = last.take_if(|last| last.takes(&posted.text, now)) {
            burst.add(&posted.text, now);
            question = burst.customer_text;
            last = turns.next();
        }
        let earlier = last.into_iter().chain(turns).collect();
        let (customer, listener) = (conversation.customer, posted.listener.clone());
        Ok(Some(Self { begin, question, customer, earlier, listener }))
    }
}

/// A message of a customer to a conversation.
pub(crate) struct Posted {
    pub(crate) id: ConversationId,
    pub(crate) claim: Claim,
    pub(crate) text: String,
    pub(crate) listener: Option<Listener>,
}

/// Posts a message and answers it.
pub(crate) async fn post<R: Message>(
    support: &Support,
    ctx: &Ctx,
    request: &R,
    posted: &Posted,
) -> Result<wire::PostMessageResponse, Error> {
    let begin = Instant::now();
    let screened = screening::check_message(support, ctx, &posted.text).await?;
    let mut known = Known::ask(support, ctx).await?;
    if let Some(asked) = Asked::of(support, ctx, posted, begin).await? {
        known.look_up(support, ctx, &asked).await?;
    }
    mutate(support, ctx, request, async |tx| {
        let found = conversations::lock(tx, &posted.claim, posted.id).await?;
        let mut conversation = found.ok_or(Error::ConversationNotFound)?;
        let turn = take(support, tx, &mut conversation, &posted.text, &known).await?;
        conversations::update(tx, &conversation).await?;
        operators::screened(tx, &screened, &format!("conversation:{}", conversation.id)).await?;
        let response = wire::PostMessageResponse {
            turn: Some(turn.to_wire(&support.config.site)),
            conversation: Some((&conversation).into()),
        };
        Ok(Done::unaudited(response, "conversations keep all that was said"))
    })
    .await
}

/// Takes a message of the customer of a locked conversation. The conversation must be saved after it.
pub(crate) async fn take(
    support: &Support,
    tx: &mut Tx,
    conversation: &mut Conversation,
    text: &str,
    known: &Known,
) -> Result<Turn, Error> {
    conversation.count_message()?;
    let now = tx.now().await?;
    let mut before = turns::last(tx, conversation.id, conversation.turn_count + 1, 2).await?.into_iter();
    let mut last = before.next();
    let mut turn = if let Some(mut burst) = last.take_if(|last| last.takes(text, now)) {
        burst.add(text, now);
        last = before.next();
        burst
    } else {
        conversation.turn_count += 1;
        Turn::begin(conversation.turn_count, text, now)
    };
    match person(tx, conversation).await? {
        Some(ticket) => forward(support, tx, &mut turn, ticket, text).await?,
        None => answer(support, tx, conversation, &mut turn, last.as_ref(), known).await?,
    }
    save(support, tx, conversation, &turn).await?;
    if let (Some(model), Some(draft)) = (&support.model, &known.draft) {
        model_calls::insert(tx, conversation.id, &turn, model.name(), &draft.call, now).await?;
        if draft.call.outcome.is_misconfigured() {
            operators::model_refused(tx, draft.call.outcome).await?;
        }
        let (metrics, call) = (support.metrics.clone(), draft.call.clone());
        tx.after_commit(move || metrics.model(&call));
    }
    Ok(turn)
}

/// The ticket that a person works on, if a person has the conversation. A closed ticket ends that.
async fn person(tx: &mut Tx, conversation: &mut Conversation) -> Result<Option<Ticket>, Error> {
    if conversation.state == State::WithAssistant {
        return Ok(None);
    }
    let ticket = live_ticket(tx, conversation).await?;
    if ticket.is_none() {
        conversation.state = State::WithAssistant;
    }
    Ok(ticket)
}

/// Adds a message to the ticket of the conversation.
async fn forward(
    support: &Support,
    tx: &mut Tx,
    turn: &mut Turn,
    mut ticket: Ticket,
    text: &str,
) -> Result<(), Error> {
    tickets::customer_replied(support, tx, &mut ticket, text).await?;
    // In a burst, the turn keeps its news that a person took over.
    if turn.outcome != Outcome::HandedOff {
        let now = tx.now().await?;
        turn.answer(Outcome::Forwarded, reply::forwarded(&ticket, now, &support.hours));
    }
    Ok(())
}

/// Answers a turn, or hands the conversation to a person.
async fn answer(
    support: &Support,
    tx: &mut Tx,
    conversation: &mut Conversation,
    turn: &mut Turn,
    before: Option<&Turn>,
    known: &Known,
) -> Result<(), Error> {
    turn.answer(Outcome::NotKnown, String::new());
    match support.signals.step(&turn.customer_text, before) {
        Step::HandOff(reason) => {
            hand_off(support, tx, conversation, turn, reason, known.plan, None).await?;
        }
        Step::Acknowledge => turn.answer(Outcome::Acknowledged, reply::ACKNOWLEDGED.to_owned()),
        Step::Apologise => {
            turn.answer(Outcome::NotKnown, reply::APOLOGY.to_owned());
            (turn.offers_person, turn.not_helpful) = (true, true);
        }
        Step::Search => {
            search(support, tx, conversation, turn, known).await?;
            if turn.outcome == Outcome::NotKnown && gives_up(before) {
                let reason = HandOffReason::NoAnswer;
                hand_off(support, tx, conversation, turn, reason, known.plan, None).await?;
            }
        }
    }
    Ok(())
}

/// Answers a question from the customer's own account, or from the knowledge base.
async fn search(
    support: &Support,
    tx: &mut Tx,
    conversation: &Conversation,
    turn: &mut Turn,
    known: &Known,
) -> Result<(), DbError> {
    let Some(topic) = support.own_phrases.topic(&turn.customer_text) else {
        return search_articles(support, tx, turn, known).await;
    };
    // A message that came meanwhile changed the question; a visitor's conversation can be read by everybody who has its token.
    let is_theirs =
        |own: &&OwnData| own.topic == topic && conversation.customer.sub.as_ref() == Some(&own.sub);
    match known.own.as_ref().filter(is_theirs) {
        Some(OwnData { text: Some(text), .. }) => {
            let written = draft_of(known, turn).and_then(|draft| draft.answer.clone());
            if let Some(written) = written.filter(|written| written.is_own) {
                turn.answer(Outcome::OwnData, written.reply);
                turn.sources = written.sources;
            } else {
                turn.answer(Outcome::OwnData, reply::own(topic, text));
            }
        }
        Some(OwnData { text: None, .. }) => {
            turn.answer(Outcome::NotKnown, reply::own_unavailable(topic));
            turn.offers_person = true;
        }
        None if known.is_customer && conversation.customer.sub.is_some() => {
            turn.answer(Outcome::NotKnown, reply::ask_again(topic));
            turn.offers_person = true;
        }
        None => {
            search_articles(support, tx, turn, known).await?;
            let sign_in = reply::sign_in(topic, &support.config.site);
            turn.reply = format!("{sign_in}\n\n{}", turn.reply);
        }
    }
    Ok(())
}

/// The model's text about this question.
fn draft_of<'k>(known: &'k Known, turn: &Turn) -> Option<&'k Draft> {
    // A message that came meanwhile changed the question.
    known.draft.as_ref().filter(|draft| draft.question == turn.customer_text)
}

/// Answers a question from the knowledge base: as the language model wrote it, or by the passage itself.
async fn search_articles(
    support: &Support,
    tx: &mut Tx,
    turn: &mut Turn,
    known: &Known,
) -> Result<(), DbError> {
    let draft = draft_of(known, turn);
    if let Some(written) = draft.and_then(|draft| draft.answer.clone()).filter(|written| !written.is_own) {
        turn.answer(Outcome::Answered, written.reply);
        turn.sources = written.sources;
        return Ok(());
    }
    let found = match draft {
        // It has read more passages than one.
        Some(draft) if draft.call.outcome == ModelOutcome::NoAnswer => None,
        _ => assistant::answer(tx, &support.wordings, &turn.customer_text, &known.facts).await?,
    };
    if let Some(found) = found {
        let words = if found.is_best { reply::quote } else { reply::quote_instead };
        turn.answer(Outcome::Answered, words(&found.source.title, &found.quote));
        turn.offers_person = !found.is_best;
        turn.sources = vec![found.source];
    } else {
        turn.answer(Outcome::NotKnown, reply::NOT_KNOWN.to_owned());
        turn.offers_person = true;
    }
    Ok(())
}

/// Saves a turn at the end of a locked conversation. The conversation must be saved after it.
pub(crate) async fn save(
    support: &Support,
    tx: &mut Tx,
    conversation: &mut Conversation,
    turn: &Turn,
) -> Result<(), DbError> {
    conversation.update_time = tx.now().await?;
    turns::save(tx, conversation.id, turn).await?;
    let (metrics, outcome, reason) = (support.metrics.clone(), turn.outcome, turn.hand_off_reason);
    tx.after_commit(move || metrics.turn(outcome, reason));
    Ok(())
}

/// Which conversations a customer may continue: those of the account, and the one of the token.
pub(crate) fn claim_of_customer(ctx: &Ctx, token: &str) -> Claim {
    let sub = match &ctx.actor {
        Actor::User(user) => Some(user.sub.clone()),
        Actor::Anonymous | Actor::Service(_) => None,
    };
    let token = token.parse::<SecretToken>().ok();
    Claim { all: false, sub, token_hash: token.map(|token| token.hash()) }
}

/// Which conversations a caller may read: staff all of them.
pub(crate) fn claim_of_reader(ctx: &Ctx, token: &str) -> Claim {
    let is_staff = matches!(&ctx.actor, Actor::User(user) if user.role >= Role::Staff);
    Claim { all: is_staff, ..claim_of_customer(ctx, token) }
}
