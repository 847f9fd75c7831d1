//! Table `tickets`. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

mod address;
mod row;
mod sweep;

use levqor_runtime::{
    context::Scope,
    db::{DbError, ListTx, Listed, Page, one_row},
    email::Email,
};
use sqlx::PgConnection;

use self::row::Row;
pub(crate) use self::{
    address::{count_unproven, hold_address},
    sweep::{lock_overdue, lock_solved, overdue_count, turnover},
};
use crate::domain::{
    conversation::ConversationId,
    mail_token::MailToken,
    text::SearchText,
    ticket::{Number, Ticket, TicketId},
    ticket_state::State,
    turn::HandOffReason,
};

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) customer_email: Option<Email>,
    pub(crate) assignee: Option<String>,
    /// The text of a search box.
    pub(crate) query: Option<SearchText>,
}

/// Stores a new ticket. Returns its number.
pub(crate) async fn insert(conn: &mut PgConnection, ticket: &Ticket) -> Result<Number, DbError> {
    let customer = &ticket.customer;
    let number = sqlx::query_scalar!(
        "INSERT INTO tickets
             (ticket_id, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
              hand_off_reason, conversation_id, assignee, open_business_ms, open_since, first_reply_due_time, create_time,
              update_time, mail_token)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         RETURNING number",
        ticket.id.as_uuid(),
        customer.sub,
        customer.email.as_ref().map(Email::as_str),
        customer.name,
        customer.verified,
        ticket.subject,
        ticket.state.as_str(),
        ticket.plan.as_str(),
        ticket.origin.as_str(),
        ticket.hand_off_reason.map(HandOffReason::as_str),
        ticket.conversation_id.map(ConversationId::as_uuid),
        ticket.assignee,
        ticket.open_time.counted.num_milliseconds(),
        ticket.open_time.since,
        ticket.first_reply_due_time,
        ticket.create_time,
        ticket.update_time,
        ticket.mail_token.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(Number(number))
}

/// Saves a ticket that is locked.
pub(crate) async fn update(conn: &mut PgConnection, ticket: &Ticket) -> Result<(), DbError> {
    let customer = &ticket.customer;
    let saved = sqlx::query!(
        "UPDATE tickets
         SET owner_sub = $2, customer_email = $3, customer_name = $4, customer_verified = $5, state = $6, assignee = $7,
             merged_ticket_id = $8, spam = $9, open_business_ms = $10, open_since = $11, first_reply_time = $12,
             overdue_time = $13, solve_time = $14, update_time = $15
         WHERE ticket_id = $1",
        ticket.id.as_uuid(),
        customer.sub,
        customer.email.as_ref().map(Email::as_str),
        customer.name,
        customer.verified,
        ticket.state.as_str(),
        ticket.assignee,
        ticket.merged_into.map(TicketId::as_uuid),
        ticket.spam,
        ticket.open_time.counted.num_milliseconds(),
        ticket.open_time.since,
        ticket.first_reply_time,
        ticket.overdue_time,
        ticket.solve_time,
        ticket.update_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Sets the scope's person as the owner of tickets that have none and carry the person's verified address. It skips tickets that are
/// locked, because a read must not wait. The next access claims those. A ticket of a chat stays unverified: a visitor who typed the
/// address still reads the chat.
pub(crate) async fn claim(conn: &mut PgConnection, scope: &Scope) -> Result<(), DbError> {
    let (Some(sub), Some(email)) = (scope.sub(), scope.email()) else { return Ok(()) };
    sqlx::query!(
        "WITH theirs AS MATERIALIZED (
             SELECT ticket_id FROM tickets
             WHERE customer_email = $2 AND owner_sub IS NULL
             FOR UPDATE SKIP LOCKED
         )
         UPDATE tickets SET owner_sub = $1, customer_verified = (tickets.conversation_id IS NULL)
         FROM theirs WHERE tickets.ticket_id = theirs.ticket_id",
        sub,
        email,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims and gets one ticket, if the scope may see it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    scope: &Scope,
    id: TicketId,
) -> Result<Option<Ticket>, DbError> {
    claim(conn, scope).await?;
    sqlx::query_as!(
        Row,
        "SELECT ticket_id, number, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                hand_off_reason, conversation_id, assignee, merged_ticket_id, spam, mail_token, open_business_ms, open_since,
                first_reply_due_time, first_reply_time, overdue_time, solve_time, create_time, update_time
         FROM tickets
         WHERE ticket_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND customer_email = $3))",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Ticket::try_from)
    .transpose()
}

/// Claims and gets one ticket, if the scope may see it, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    scope: &Scope,
    id: TicketId,
) -> Result<Option<Ticket>, DbError> {
    claim(conn, scope).await?;
    sqlx::query_as!(
        Row,
        "SELECT ticket_id, number, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                hand_off_reason, conversation_id, assignee, merged_ticket_id, spam, mail_token, open_business_ms, open_since,
                first_reply_due_time, first_reply_time, overdue_time, solve_time, create_time, update_time
         FROM tickets
         WHERE ticket_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND customer_email = $3))
         FOR UPDATE",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Ticket::try_from)
    .transpose()
}

/// The latest tickets of a person or of an address, the newest first. For staff.
pub(crate) async fn latest_of(
    conn: &mut PgConnection,
    sub: Option<&str>,
    email: Option<&Email>,
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    // Each branch uses its own index; an OR would read every ticket.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT ticket_id AS "ticket_id!", number AS "number!", owner_sub, customer_email, customer_name AS "customer_name!",
                  customer_verified AS "customer_verified!", subject AS "subject!", state AS "state!", plan AS "plan!",
                  origin AS "origin!", hand_off_reason, conversation_id, assignee, merged_ticket_id, spam AS "spam!",
                  mail_token AS "mail_token!", open_business_ms AS "open_business_ms!", open_since,
                  first_reply_due_time AS "first_reply_due_time!", first_reply_time, overdue_time, solve_time,
                  create_time AS "create_time!", update_time AS "update_time!"
           FROM (
               (SELECT * FROM tickets WHERE owner_sub = $1 ORDER BY create_time DESC, ticket_id DESC LIMIT $3)
               UNION
               (SELECT * FROM tickets WHERE customer_email = $2 ORDER BY create_time DESC, ticket_id DESC LIMIT $3)
           ) AS theirs
           ORDER BY create_time DESC, ticket_id DESC
           LIMIT $3"#,
        sub,
        email.map(Email::as_str),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Ticket::try_from).collect()
}

/// The latest tickets that the scope's person owns, the newest first. Staff own none. Call `claim` before it.
pub(crate) async fn latest_own(
    conn: &mut PgConnection,
    scope: &Scope,
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT ticket_id, number, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                hand_off_reason, conversation_id, assignee, merged_ticket_id, spam, mail_token, open_business_ms, open_since,
                first_reply_due_time, first_reply_time, overdue_time, solve_time, create_time, update_time
         FROM tickets
         WHERE owner_sub = $1
         ORDER BY create_time DESC, ticket_id DESC
         LIMIT $2",
        scope.sub(),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Ticket::try_from).collect()
}

/// The id of the ticket that has this token in its address.
pub(crate) async fn id_of_mail_token(
    conn: &mut PgConnection,
    token: &MailToken,
) -> Result<Option<TicketId>, DbError> {
    let id = sqlx::query_scalar!("SELECT ticket_id FROM tickets WHERE mail_token = $1", token.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(id.map(TicketId::from))
}

/// Lists the tickets that the scope may see, newest first: one page and one more ticket.
pub(crate) async fn list(
    tx: &mut ListTx,
    scope: &Scope,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Ticket>>, DbError> {
    // Four branches. Without a search, the scope enables one or two of the first three. Each of these uses its own index in the order
    // of the page; an OR of the conditions would read every ticket. Each branch needs its own LIMIT, or PostgreSQL reads it whole. The
    // fourth branch is for a search: it starts from the tickets that the search finds.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT ticket_id AS "ticket_id!", number AS "number!", owner_sub, customer_email, customer_name AS "customer_name!",
                  customer_verified AS "customer_verified!", subject AS "subject!", state AS "state!", plan AS "plan!",
                  origin AS "origin!", hand_off_reason, conversation_id, assignee, merged_ticket_id, spam AS "spam!",
                  mail_token AS "mail_token!",
                  open_business_ms AS "open_business_ms!", open_since,
                  first_reply_due_time AS "first_reply_due_time!", first_reply_time, overdue_time, solve_time,
                  create_time AS "create_time!", update_time AS "update_time!"
           FROM (
               (SELECT * FROM tickets
                WHERE $1::boolean AND $10::text IS NULL
                  AND ($4::text IS NULL OR state = $4)
                  AND ($5::text IS NULL OR customer_email = $5)
                  AND ($6::text IS NULL OR assignee = $6)
                  AND ($7::timestamptz IS NULL OR (create_time, ticket_id) < ($7, $8::uuid))
                ORDER BY create_time DESC, ticket_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM tickets
                WHERE NOT $1 AND $10 IS NULL AND owner_sub = $2
                  AND ($4 IS NULL OR state = $4)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR assignee = $6)
                  AND ($7 IS NULL OR (create_time, ticket_id) < ($7, $8))
                ORDER BY create_time DESC, ticket_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM tickets
                WHERE NOT $1 AND $10 IS NULL AND owner_sub IS NULL AND customer_email = $3
                  AND ($4 IS NULL OR state = $4)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR assignee = $6)
                  AND ($7 IS NULL OR (create_time, ticket_id) < ($7, $8))
                ORDER BY create_time DESC, ticket_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM tickets
                WHERE ticket_id = ANY (ARRAY(
                          SELECT found.ticket_id FROM tickets AS found
                          WHERE $10 IS NOT NULL
                            AND to_tsvector('english', found.subject) @@ websearch_to_tsquery('english', $10)
                          UNION
                          SELECT said.ticket_id FROM ticket_messages AS said
                          WHERE $10 IS NOT NULL AND ($1 OR NOT said.internal)
                            AND to_tsvector('english', said.body) @@ websearch_to_tsquery('english', $10)
                      ))
                  AND ($1 OR owner_sub = $2 OR (owner_sub IS NULL AND customer_email = $3))
                  AND ($4 IS NULL OR state = $4)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR assignee = $6)
                  AND ($7 IS NULL OR (create_time, ticket_id) < ($7, $8))
                ORDER BY create_time DESC, ticket_id DESC
                LIMIT $9)
           ) AS seen
           ORDER BY create_time DESC, ticket_id DESC
           LIMIT $9"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.state.map(State::as_str),
        filter.customer_email.as_ref().map(Email::as_str),
        filter.assignee,
        page.after_time(),
        page.after_id(),
        page.limit(),
        filter.query.as_ref().map(SearchText::as_str),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(Row::listed).collect())
}
