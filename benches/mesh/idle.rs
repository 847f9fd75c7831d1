//! The memory of idle processes, and the time until they are ready.

use crate::{
    Limits,
    mesh::{Mesh, megabytes},
};

/// Measures both.
pub(crate) async fn measure(mesh: &Mesh, limits: &mut Limits) -> anyhow::Result<()> {
    let ready = mesh.restart().await?;
    println!("start to ready, existing databases: {:.2} s", ready.as_secs_f64());
    limits.below("start to ready in seconds", ready.as_secs_f64(), 1.0);
    for (role, kib) in mesh.pss_kib()? {
        println!("PSS idle, {role}: {:.1} MB", megabytes(kib));
    }
    mesh.double().await?;
    let all: u64 = mesh.pss_kib()?.into_iter().map(|(_, kib)| kib).sum();
    println!("PSS idle, two processes of each role, all ten: {:.1} MB", megabytes(all));
    limits.below("PSS of ten idle processes in MB", megabytes(all), 400.0);
    mesh.restart().await?;
    Ok(())
}
