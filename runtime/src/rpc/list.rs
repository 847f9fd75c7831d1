//! The common steps of every list: filter, page, next page token. A token is valid only for this list, filter and caller's rows.

use prost::{Message, Name};

use super::State;
use crate::{
    context::Ctx,
    db::{DbError, ListTx, Listed, Page},
    error::{Invalid, Violations},
};

/// Reads the request's filter and page, asks the store for the rows, and makes the response from the page's rows and the next
/// page token. Reports all violations of filter and page at once. Leaves out a row that cannot be read.
pub async fn list<S, Req, Filter, Row, Res, E>(
    state: &S,
    ctx: &Ctx,
    request: &Req,
    store: impl AsyncFnOnce(&mut ListTx, &Filter, &Page) -> Result<Vec<Listed<Row>>, DbError>,
    response: impl FnOnce(Vec<Row>, String) -> Res,
) -> Result<Res, E>
where
    S: State,
    Req: Message + Name,
    Filter: for<'r> TryFrom<&'r Req, Error = Invalid>,
    E: From<Invalid> + From<DbError>,
{
    let mut violations = Violations::new();
    let filter = violations.take(Filter::try_from(request));
    let page = Page::parse(&mut violations, request, &ctx.scope());
    let (filter, page) = violations.finish(filter.zip(page))?;
    let mut tx = state.chassis().db.begin_list().await?;
    let mut rows = store(&mut tx, &filter, &page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| row.place);
    Ok(response(rows.into_iter().filter_map(|row| row.row).collect(), next_page_token))
}
