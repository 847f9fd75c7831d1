//! The reports for operators: when they are sent, and the lines of this service in them.

use chrono::{NaiveTime, TimeDelta, Weekday};
use levqor_proto_notifications::v1::SendDigestRequest;
use levqor_runtime::{
    db::DbError,
    digest::{Period, Report},
    schedule::{EVERY_DAY, Schedule},
};
use sqlx::PgConnection;

use crate::store::{messages::counts, operator_notices};

/// The schedules, by the clock in London. A report that was missed is still sent on the same day.
pub(crate) fn schedules() -> Vec<Schedule> {
    const NINE: Option<NaiveTime> = NaiveTime::from_hms_opt(9, 0, 0);
    const TWO: Option<NaiveTime> = NaiveTime::from_hms_opt(14, 0, 0);
    let all: [(&'static str, Report, Option<NaiveTime>, &'static [Weekday]); 4] = [
        ("digest_daily_operations", Report::DailyOperations, NINE, EVERY_DAY),
        ("digest_daily_errors", Report::DailyErrors, NINE, EVERY_DAY),
        ("digest_weekly_pulse", Report::WeeklyPulse, TWO, &[Weekday::Fri]),
        ("digest_weekly_governance", Report::WeeklyGovernance, NINE, &[Weekday::Sun]),
    ];
    let schedule =
        |(name, report, time, days): (&'static str, Report, Option<NaiveTime>, &'static [Weekday])| {
            let request = move || SendDigestRequest { report: report.as_str().to_owned() };
            Some(Schedule::in_london(name, time?, days, TimeDelta::hours(9), request))
        };
    all.into_iter().filter_map(schedule).collect()
}

/// The lines of this service: how many mails reached each state, and which notices are open.
pub(crate) async fn lines(conn: &mut PgConnection, period: &Period) -> Result<Vec<String>, DbError> {
    let mut lines = Vec::new();
    for (state, count) in counts::by_state(conn, period.begin, period.end).await? {
        lines.push(format!("{count} mails: {}", state.to_lowercase().replace('_', " ")));
    }
    if period.report != Report::WeeklyPulse {
        for (kind, about, times) in operator_notices::open_troubles(conn).await? {
            let often = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            lines.push(format!("Open: {} {about}, reported {often}", kind.title()));
        }
    }
    Ok(lines)
}
