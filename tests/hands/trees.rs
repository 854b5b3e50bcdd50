//! A container's tree is killed with all that escaped from it, and nobody else's.

use crate::as_root;
use crate::stage::{Life, Named, Scene, container, first, holds, on, on_signal, plan, program};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, Fact, RunId};
use monopod::plan::{Hook, Identity, Plan, Program, ProgramId, Signal, Target};

/// As PID 1, and root with the rights that Docker leaves it: it may not look into everybody's environment.
const IN_A_CONTAINER: [&str; 6] = [
    "unshare",
    "--pid",
    "--fork",
    "--mount-proc",
    "setpriv",
    "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,\
     +net_raw,+sys_chroot,+mknod,+audit_write,+setfcap",
];

/// The container, beside it one that does the same, and what runs in the first: a hook, and a probe.
const WEB: RunId = RunId(1);
const OTHER: RunId = RunId(2);
const HOOK: RunId = RunId(3);
const PROBE: RunId = RunId(4);

/// How many sleepers an [`escape_artist`] makes.
const ESCAPED: usize = 6;

/// In its group, out of its session, with a parent, without one, and twice removed.
fn escape_artist(name: &str, kind: u32) -> Program {
    program(
        name,
        &format!(
            r#"s="sleep 300.{kind}$U"
            $s &
            setsid $s &
            (setsid sh -c "$s & $s" &)
            (setsid sh -c "(setsid $s &)" &)
            exec $s"#
        ),
    )
}

fn stage(identity: &Identity) -> Plan {
    let hook = program("hook", "(setsid sleep 300.3$U &)");
    // Without a mark, too, but then with a parent or in the session.
    let probe = program(
        "probe",
        r#"s="sleep 300.4$U"
        setsid $s &
        (setsid $s &)
        env -i PATH="$PATH" setsid sh -c "$s; :" &
        (env -i $s &)
        exec $s"#,
    );
    let mut programs = vec![
        escape_artist("web", 1),
        escape_artist("other", 2),
        hook,
        probe,
    ];
    for program in &mut programs {
        program.identity = identity.clone();
    }
    let mut web = container("web", 0);
    web.post_start = Some(Hook::Exec(ProgramId(2)));
    web.pre_stop = Some(Hook::Exec(ProgramId(3)));
    plan(programs, vec![web, container("other", 1)])
}

fn kill_tree(run: RunId) -> Action {
    Action::Strike(run, Target::Tree, Signal::KILL)
}

/// All four are started; then the probe is struck, then the container, of which only its own process has ended before.
fn scene_of(identity: &Identity) -> Scene {
    let starts = [(WEB, 0), (OTHER, 1), (HOOK, 2), (PROBE, 3)];
    let starts = starts.map(|(run, program)| Action::Start(run, ProgramId(program)));
    let terminate = Action::Strike(WEB, Target::Process, Signal::TERM);
    let script = vec![
        first(starts.to_vec()),
        on_signal("USR1", vec![kill_tree(PROBE)]),
        on_signal("HUP", vec![terminate]),
        on(
            |fact| matches!(fact, Fact::Ended(WEB, _)),
            vec![kill_tree(WEB)],
        ),
    ];
    Scene {
        plan: stage(identity),
        script,
    }
}

pub fn scenes() -> Vec<Named> {
    vec![
        ("tree", || scene_of(&Identity::default())),
        ("tree of another uid", || {
            scene_of(&Identity {
                uid: Some(1000),
                gid: Some(1000),
                ..Identity::default()
            })
        }),
        ("storm", storm),
        ("cleaned", cleaned),
    ]
}

fn strike_one_after_the_other(scene: &str, behind: &[&str]) -> Result<(), Failed> {
    let life = Life::begin(scene, behind)?;
    for (kind, count) in [(1, ESCAPED), (2, ESCAPED), (3, 1), (4, 5)] {
        life.await_sleepers(kind, count)?;
    }
    life.signal(libc::SIGUSR1)?;
    life.await_sleepers(4, 0)?;
    for (kind, count) in [(1, ESCAPED), (2, ESCAPED), (3, 1)] {
        life.await_sleepers(kind, count)?;
    }
    life.signal(libc::SIGHUP)?;
    life.await_sleepers(1, 0)?;
    life.await_sleepers(3, 0)?;
    // The machine answers one more signal only after the strike, so whatever it was going to do is done.
    let others = life.sleepers(2);
    let unique = life.unique.clone();
    let end = life.finish()?;
    match (others, end.code) {
        (ESCAPED, Some(0)) => Ok(()),
        _ => Err(format!("{others} of the other container are left ({unique}): {end:?}").into()),
    }
}

/// As long as it lives, it makes processes that leave it.
fn storm() -> Scene {
    let storm = program(
        "storm",
        "while :; do (setsid sleep 300.1$U &); sleep 0.002; done",
    );
    let script = vec![
        first(vec![Action::Start(WEB, ProgramId(0))]),
        on_signal("USR1", vec![kill_tree(WEB)]),
    ];
    Scene {
        plan: plan(vec![storm], vec![container("storm", 0)]),
        script,
    }
}

/// The documented limit: no parent, no session, no mark.
fn cleaned() -> Scene {
    let artist = program(
        "web",
        r#"(env -i PATH="$PATH" setsid sleep 300.1$U &); exec sleep 300.2$U"#,
    );
    let script = vec![
        first(vec![Action::Start(WEB, ProgramId(0))]),
        on_signal("USR1", vec![kill_tree(WEB)]),
    ];
    Scene {
        plan: plan(vec![artist], vec![container("web", 0)]),
        script,
    }
}

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "a_tree_is_killed_with_all_that_escaped_and_nobody_elses",
            || strike_one_after_the_other("tree", &[]),
        ),
        as_root("as_pid_1_a_tree_is_killed_with_all_that_escaped", || {
            strike_one_after_the_other("tree", &IN_A_CONTAINER)
        }),
        as_root(
            "a_tree_of_another_uid_is_found_without_the_right_to_trace",
            || strike_one_after_the_other("tree of another uid", &IN_A_CONTAINER),
        ),
        Trial::test(
            "a_tree_that_grows_while_it_is_struck_is_killed_to_the_last",
            || {
                let life = Life::begin("storm", &[])?;
                crate::stage::wait_until(|| life.sleepers(1) > 20, || "no storm".to_owned())?;
                life.signal(libc::SIGUSR1)?;
                life.await_sleepers(1, 0)?;
                life.finish().map(drop)
            },
        ),
        as_root("a_proc_of_another_pid_namespace_is_not_believed", || {
            // Its numbers mean others here, and nobody may be struck by them; what is left is the group.
            let life = Life::begin("tree", &["unshare", "--pid", "--fork"])?;
            life.await_sleepers(4, 5)?;
            life.await_sleepers(2, ESCAPED)?;
            life.signal(libc::SIGUSR1)?;
            life.await_sleepers(4, 3)?;
            life.await_sleepers(2, ESCAPED)?;
            life.finish().map(drop)
        }),
        Trial::test("what_cannot_be_caught_is_caught_at_the_end", || {
            let life = Life::begin("cleaned", &[])?;
            life.await_sleepers(1, 1)?;
            life.await_sleepers(2, 1)?;
            life.signal(libc::SIGUSR1)?;
            life.await_sleepers(2, 0)?;
            if life.sleepers(1) != 1 {
                return Err("it was caught; say so in linux/tree.rs".into());
            }
            let unique = life.unique.clone();
            let end = life.finish()?;
            match end.code {
                Some(0) => Ok(()),
                _ => Err(format!("{unique}: {end:?}").into()),
            }
        }),
        as_root(
            "looking_as_somebody_else_leaves_the_core_to_be_looked_at",
            || {
                let life = Life::begin("tree of another uid", &IN_A_CONTAINER)?;
                life.await_sleepers(4, 5)?;
                life.signal(libc::SIGUSR1)?;
                life.await_sleepers(4, 0)?;
                // As a process of its container would. A core that is not dumpable would refuse.
                let descriptor = format!("/proc/{}/fd/1", life.core()?);
                let link = std::process::Command::new("setpriv")
                    .args([IN_A_CONTAINER[5], "readlink", &descriptor])
                    .output()?;
                holds(&String::from_utf8_lossy(&link.stdout), "pipe:")?;
                life.finish().map(drop)
            },
        ),
    ]
}
