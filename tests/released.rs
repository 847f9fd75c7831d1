//! A release can be upgraded and rolled back: its migrations are never edited, its rows are all there on the newest schema, and
//! its statements run there, because the released version still runs while the newest one is rolled out. `tests/released` has a
//! folder of each release for which this must hold, with a file for each service.

mod release;
mod upgrade;

use std::{
    fs,
    path::{Path, PathBuf},
};

use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_notifications::Notifications;
use levqor_runtime::{db::migrations::RUNTIME, service::Service};
use levqor_support::Support;
use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

use self::{
    release::{Release, checksums, edited, misplaced},
    upgrade::{broken, with},
};
use crate::services;

/// What migrations may take away from the releases in `tests/released`, which do not use it any more (the second step of "expand, then
/// contract"): a table as `service.schema.table`, a column as `service.schema.table.column`.
const CONTRACTED: &[&str] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the releases.
fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/released")).expect("the folder of the releases");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// The folder of this version.
fn folder_of_this_version() -> PathBuf {
    root().join("tests/released").join(format!("v{}", env!("CARGO_PKG_VERSION")))
}

#[test]
fn this_version_has_its_files_and_its_section_of_the_changelog() {
    let folder = folder_of_this_version();
    for service in services::ALL.iter().map(|service| service.name()) {
        let file = folder.join(format!("{service}.json"));
        assert!(
            file.is_file(),
            "{} is missing; all of its folder is written by `cargo test --test mesh released::write -- --ignored`",
            file.display()
        );
    }
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    let heading = format!("\n## [{}] - ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.contains(&heading), "CHANGELOG.md has no heading {heading:?}");
}

#[tokio::test]
#[ignore = "writes the files of a release, once: cargo test --test mesh released::write -- --ignored"]
async fn write_the_files_of_this_version() {
    let mut releases = Vec::new();
    for service in services::ALL {
        releases.push(Release::of_today(service.name(), service.migrator()).await);
    }
    let folder = folder_of_this_version();
    fs::create_dir(&folder).expect("a version is released once: its folder must not be there");
    for release in releases {
        release.write(&folder);
    }
}

#[tokio::test]
async fn billing_upgrades_a_released_database() {
    takes_over::<Billing>().await;
}

#[tokio::test]
async fn compliance_upgrades_a_released_database() {
    takes_over::<Compliance>().await;
}

#[tokio::test]
async fn notifications_upgrades_a_released_database() {
    takes_over::<Notifications>().await;
}

#[tokio::test]
async fn support_upgrades_a_released_database() {
    takes_over::<Support>().await;
}

/// Tests every release of a service, and what would be released today: a table that cannot be filled is found now, and not then.
async fn takes_over<S: Service>() {
    let today = Release::of_today(S::NAME, S::migrator()).await;
    let empty: Vec<_> =
        today.rows.iter().filter(|(_, rows)| rows.is_empty()).map(|(table, _)| table).collect();
    assert!(empty.is_empty(), "{}: a table without rows proves nothing: {empty:?}", S::NAME);
    let mut releases = vec![("what would be released today".to_owned(), today)];
    for folder in folders() {
        releases.push((folder.display().to_string(), Release::read(&folder, S::NAME)));
    }
    for (name, release) in releases {
        let histories = [(&release.chassis_migrations, &RUNTIME), (&release.migrations, S::migrator())];
        for (released, migrator) in histories {
            let edited = edited(released, migrator);
            assert!(
                edited.is_empty(),
                "{}: {name}: these migrations were edited or removed: {edited:?}",
                S::NAME
            );
            let misplaced = misplaced(released, migrator);
            assert!(
                misplaced.is_empty(),
                "{}: {name}: give these migrations a later timestamp: {misplaced:?}",
                S::NAME
            );
        }
        let broken = broken(&release, S::migrator(), CONTRACTED).await;
        assert!(broken.is_empty(), "{}: {name}:\n{}", S::NAME, broken.join("\n"));
    }
}

/// The migrations of notifications, and another one.
fn and_then(sql: &'static str) -> Migrator {
    let migrator = Notifications::migrator();
    let last = 99_991_231_235_959;
    let made_up =
        Migration::new(last, "made up".into(), MigrationType::Simple, SqlStr::from_static(sql), false);
    with(migrator, migrator.iter().cloned().chain([made_up]).collect())
}

#[tokio::test]
async fn everything_that_a_migration_removes_from_a_release_is_found() {
    let release = Release::of_today(Notifications::NAME, Notifications::migrator()).await;
    let migrator = and_then(
        "UPDATE mailbox SET subject = 'another';
         DELETE FROM delivery_attempts;
         ALTER TABLE provider_paces DROP COLUMN next_slot_time;
         DROP TABLE operator_deliveries;
         ALTER TABLE messages ALTER COLUMN round TYPE bigint;
         ALTER TABLE suppressions ADD COLUMN made_up text NOT NULL DEFAULT '';
         ALTER TABLE suppressions ALTER COLUMN made_up DROP DEFAULT",
    );
    let found = broken(&release, &migrator, CONTRACTED).await;
    for (start, word) in [
        ("public.mailbox lost or changed", ""),
        ("public.delivery_attempts lost or changed", ""),
        ("public.provider_paces lost or changed", ""),
        ("public.operator_deliveries lost or changed", ""),
        ("public.provider_paces does not take", "next_slot_time"),
        ("public.operator_deliveries does not take", ""),
        ("public.suppressions does not take", "made_up"),
        ("a statement does not run", "next_slot_time"),
        ("a statement does not run", "operator_deliveries"),
        ("a statement now returns", "(\"round\", \"INT8\")"),
    ] {
        let is_found = found.iter().any(|it| it.starts_with(start) && it.contains(word));
        assert!(is_found, "not found: {start} … {word}:\n{}", found.join("\n"));
    }
}

#[tokio::test]
async fn a_migration_may_expand_and_may_take_away_what_was_named() {
    let release = Release::of_today(Notifications::NAME, Notifications::migrator()).await;
    let migrator = and_then(
        "CREATE TABLE made_up (made_up_id uuid PRIMARY KEY);
         ALTER TABLE mailbox ADD COLUMN made_up text NOT NULL DEFAULT '';
         UPDATE suppressions SET evidence = 'another'",
    );
    for named in ["notifications.public.suppressions.evidence", "notifications.public.suppressions"] {
        assert_eq!(broken(&release, &migrator, &[named]).await, Vec::<String>::new(), "{named}");
    }
}

#[test]
fn a_released_migration_that_was_edited_or_removed_is_found_and_a_new_one_before_it() {
    let migrator = Notifications::migrator();
    let mut released = checksums(migrator);
    assert_eq!(edited(&released, migrator), Vec::<i64>::new());
    assert_eq!(misplaced(&released, migrator), Vec::<i64>::new());
    let mut migrations: Vec<_> = migrator.iter().cloned().collect();
    let removed = migrations.remove(0);
    let first = migrations.first_mut().expect("a migration");
    let sql = SqlStr::from_static("SELECT 1");
    *first = Migration::new(first.version, first.description.clone(), MigrationType::Simple, sql, false);
    let expected = [removed.version, first.version];
    assert_eq!(edited(&released, &with(migrator, migrations)), expected);
    released.remove(&removed.version);
    assert_eq!(misplaced(&released, migrator), [removed.version]);
}
