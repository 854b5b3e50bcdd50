//! What a restart takes with it: all that came of the container, nothing that came of another.

use super::pod::{command, launch};
use crate::ensure;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, until};
use std::collections::BTreeSet;
use std::time::Duration;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "pods: a liveness kill takes the whole tree of its container, escaped ones too, and nobody else's",
            whole_tree,
        ),
        Case::own(
            "pods: without /proc a liveness kill takes the group of its container, and nobody else's",
            whole_group,
        ),
    ]
}

/// Pids, as they are inside, of the living processes whose command line has this word.
pub fn pids_of(run: &Run, word: &str) -> Outcome<BTreeSet<i32>> {
    let living = run.processes()?.into_iter().filter(|one| one.state != 'Z');
    Ok(living
        .map(|one| one.pid)
        .filter(|pid| {
            let path = format!("/proc/{}/root/proc/{pid}/cmdline", run.pid);
            let line = std::fs::read(path).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|one| one == word.as_bytes())
        })
        .collect())
}

/// Two containers with the same tree; the first lives as long as its file.
fn two(scene: &Scene, tree: impl Fn(&str) -> String) -> Outcome<(String, std::path::PathBuf)> {
    let file = scene.dir.join("alive");
    std::fs::write(&file, "").map_err(|why| why.to_string())?;
    let manifest = format!(
        "apiVersion: v1
kind: Pod
spec:
  containers:
    - name: one
      command: {}
      livenessProbe:
        exec: {{ command: [test, -e, {}] }}
        periodSeconds: 1
        failureThreshold: 1
    - {{ name: two, command: {} }}
",
        command(scene, &tree("one")),
        file.display(),
        command(scene, &tree("two")),
    );
    Ok((manifest, file))
}

fn whole_tree(scene: &Scene) -> Outcome {
    // A child in the group; one that has left for a session of its own, with a child that did so again; both orphans.
    let (manifest, file) = two(scene, |name| {
        format!(
            "fork {{ pause }} orphan {{ setsid orphan {{ setsid block 15 say {name} pause }} pause }} block 15 pause"
        )
    })?;
    let flags = ["--grace", "1s"];
    let mut run = launch(scene, &manifest, &flags)?.start()?;
    let mut heard = [run.ear.line()?, run.ear.line()?];
    heard.sort();
    ensure!(heard == ["one", "two"], "{heard:?}");
    // The last to be there is the one that spoke, or the first process itself.
    let all = |word: &str| {
        until("the tree has four", patience(), || {
            Ok(Some(pids_of(&run, word)?).filter(|pids| pids.len() == 4))
        })
    };
    let (one, two) = (all("one")?, all("two")?);
    std::fs::remove_file(&file).map_err(|why| why.to_string())?;
    until("the old tree is gone", patience(), || {
        Ok(pids_of(&run, "one")?.is_disjoint(&one).then_some(()))
    })?;
    std::fs::write(&file, "").map_err(|why| why.to_string())?;
    let seen = pids_of(&run, "two")?;
    ensure!(seen == two, "two had {two:?} and has {seen:?}");
    // It is there again, with all that belongs to it.
    until("the new tree is there", Duration::from_secs(30), || {
        let new = pids_of(&run, "one")?;
        Ok((new.len() == 4 && new.is_disjoint(&one)).then_some(()))
    })?;
    let seen = pids_of(&run, "two")?;
    ensure!(seen == two, "two had {two:?} and has {seen:?}");
    Ok(())
}

fn whole_group(scene: &Scene) -> Outcome {
    let (manifest, file) = two(scene, |name| {
        format!("fork {{ block 15 say {name} pause }} block 15 say {name} pause")
    })?;
    let mut run = launch(scene, &manifest, &["--grace", "1s"])?
        .without_proc()
        .start()?;
    let mut heard = (0..4)
        .map(|_| run.ear.line())
        .collect::<Outcome<Vec<_>>>()?;
    heard.sort();
    ensure!(heard == ["one", "one", "two", "two"], "{heard:?}");
    let before: BTreeSet<i32> = below(run.pid)?;
    std::fs::remove_file(&file).map_err(|why| why.to_string())?;
    // The replacement speaks only after what it replaces is gone.
    run.ear.expect_next("one")?;
    std::fs::write(&file, "").map_err(|why| why.to_string())?;
    run.ear.expect_next("one")?;
    let after = below(run.pid)?;
    let kept = before.intersection(&after).count();
    ensure!(
        kept == 2 && after.len() == 4,
        "of {before:?} there are {kept} left in {after:?}"
    );
    Ok(())
}

/// Host pids of all that lives below a process.
fn below(top: i32) -> Outcome<BTreeSet<i32>> {
    use crate::harness::proc;
    let mut found = BTreeSet::new();
    let mut near = proc::children(top)?;
    while let Some(pid) = near.pop() {
        let Some(one) = proc::one(&proc::dir(pid)) else {
            continue;
        };
        near.extend(proc::children(pid).unwrap_or_default());
        if one.state != 'Z' && one.comm == "child" {
            found.insert(pid);
        }
    }
    Ok(found)
}
