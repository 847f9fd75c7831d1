//! `SweepOrderFiles` removes the remains of an upload that a crash interrupted, and no complete file.

use chrono::TimeDelta;
use levqor_runtime::testing::{advance, eventually, execute};

use crate::support::{Bench, PDF, ada};

#[tokio::test]
async fn an_upload_that_a_crash_interrupted_is_removed_after_an_hour() {
    let (bench, folder) = Bench::start_with_files().await;
    let order_id = bench.paid().await.order_id;
    for name in ["whole", "cut off"] {
        bench.upload(&ada(), &order_id, name, vec![PDF.to_vec()]).await.expect("stored");
    }
    // The state that a crash between the content and the second transaction leaves.
    execute(
        &bench.db,
        "UPDATE order_files SET state = 'UPLOADING', sweep_time = create_time + interval '1 hour' WHERE name = 'cut off'",
    )
    .await;
    assert_eq!((bench.sweep().await, folder.contents()), (0, 2), "the upload may still be in progress");
    assert_eq!(bench.shown(&order_id).await.files.len(), 1, "nobody sees half a file");
    advance(&bench.db, TimeDelta::hours(1)).await;
    bench.sweep().await;
    // The schedule may be at it, too. Its content goes before its row.
    eventually("it is gone", || async {
        (folder.contents() == 1 && bench.count("order_files").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.shown(&order_id).await.files[0].name, "whole");
}
