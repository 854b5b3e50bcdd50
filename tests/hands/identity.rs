//! Who a program runs as, and where.

use crate::as_root;
use crate::stage::{Life, Named, Scene, container, first, holds, plan, program, same};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, Fact, Happening, RunId, Stage};
use monopod::plan::{ContainerId, ExitCode, Identity, Program, ProgramId};
use std::ffi::CString;

const RUN: RunId = RunId(1);
const NET_BIND_SERVICE: u8 = 10;
const CHOWN: u8 = 0;

/// What a program can tell of itself.
const TELL: &str = r#"echo uid $(id -u) gid $(id -g) groups $(id -G)
    grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\t\n' '  '"#;

fn telling(identity: Identity) -> Program {
    let mut program = program("web", TELL);
    program.identity = identity;
    program
}

/// Runs it to its end. What cannot be started is said as the machine would say it, and the code tells the stage.
fn scene_of(program: Program) -> Scene {
    let answer = |facts: &[Fact]| {
        facts.iter().find_map(|fact| match fact {
            Fact::Unstartable(RUN, why) => {
                let say = Happening::ContainerUnstartable(ContainerId(0), *why);
                let leave = Action::Leave(ExitCode(100 + why.stage as u8));
                Some(vec![Action::Say(say), leave])
            }
            Fact::Ended(RUN, ending) => Some(vec![Action::Leave(ending.code())]),
            _ => None,
        })
    };
    Scene {
        plan: plan(vec![program], vec![container("web", 0)]),
        script: vec![
            first(vec![Action::Start(RUN, ProgramId(0))]),
            Box::new(answer),
        ],
    }
}

fn somebody() -> Identity {
    Identity {
        uid: Some(1000),
        gid: Some(1001),
        groups: vec![2000, 2001],
        ..Identity::default()
    }
}

fn in_folder(folder: &str) -> Scene {
    let mut program = program("web", "pwd");
    program.working_dir = CString::new(folder).ok();
    scene_of(program)
}

pub fn scenes() -> Vec<Named> {
    vec![
        ("somebody", || scene_of(telling(somebody()))),
        ("somebody with a right", || {
            scene_of(telling(Identity {
                drop_capabilities: (0..64).collect(),
                add_capabilities: vec![NET_BIND_SERVICE],
                no_new_privileges: true,
                ..somebody()
            }))
        }),
        ("root without a right", || {
            scene_of(telling(Identity {
                drop_capabilities: vec![CHOWN],
                ..Identity::default()
            }))
        }),
        ("root without any", || {
            scene_of(telling(Identity {
                drop_capabilities: (0..64).collect(),
                ..Identity::default()
            }))
        }),
        ("a group more", || {
            scene_of(telling(Identity {
                groups: vec![2000],
                ..Identity::default()
            }))
        }),
        ("restricted", || {
            scene_of(telling(Identity {
                uid: Some(1000),
                drop_capabilities: (0..64).collect(),
                no_new_privileges: true,
                ..Identity::default()
            }))
        }),
        ("a right too many", || {
            scene_of(telling(Identity {
                add_capabilities: vec![NET_BIND_SERVICE],
                ..Identity::default()
            }))
        }),
        ("in /usr", || in_folder("/usr")),
        ("in a folder that is not there", || {
            in_folder("/usr/nowhere")
        }),
        ("session", || {
            scene_of(program(
                "web",
                r#"read -r stat < /proc/$$/stat; set -- $stat
                test "$1" = "$5" -a "$1" = "$6" -a "$7" = 0 && echo alone"#,
            ))
        }),
    ]
}

fn tells(scene: &str, behind: &[&str], words: &[&str]) -> Result<(), Failed> {
    let end = Life::begin(scene, behind)?.end()?;
    same(end.code, Some(0), &end)?;
    words.iter().try_for_each(|word| holds(&end.said, word))
}

fn is_refused(scene: &str, behind: &[&str], stage: Stage, words: &str) -> Result<(), Failed> {
    let end = Life::begin(scene, behind)?.end()?;
    same(end.code, Some(100 + stage as i32), &end)?;
    same(end.said.as_str(), "", &end)?;
    holds(&end.logged, words)
}

/// A monopod that was started as that uid, with nothing that it could give up.
const AS_1000: [&str; 4] = ["setpriv", "--reuid=1000", "--regid=1000", "--groups=2000"];

pub fn trials() -> Vec<Trial> {
    vec![
        as_root("a_user_has_its_groups_and_no_right_of_roots", || {
            let words = [
                "uid 1000 gid 1001 groups 1001 2000 2001",
                "CapEff: 0000000000000000",
                "CapPrm: 0000000000000000",
                "NoNewPrivs: 0",
            ];
            tells("somebody", &[], &words)
        }),
        as_root(
            "an_added_capability_reaches_a_user_that_is_not_root",
            || {
                let words = [
                    "uid 1000 gid 1001",
                    "CapEff: 0000000000000400",
                    "CapBnd: 0000000000000400",
                    "CapAmb: 0000000000000400",
                    "NoNewPrivs: 1",
                ];
                tells("somebody with a right", &[], &words)
            },
        ),
        as_root(
            "what_is_dropped_is_dropped_for_root_too_and_nothing_else",
            || {
                let limited = [
                    "setpriv",
                    "--bounding-set=-all,+chown,+kill,+setpcap,+setgid",
                ];
                let words = [
                    "uid 0",
                    "CapEff: 0000000000000160",
                    "CapBnd: 0000000000000160",
                ];
                tells("root without a right", &limited, &words)
            },
        ),
        as_root("root_can_be_left_without_any_right", || {
            let words = [
                "uid 0",
                "CapEff: 0000000000000000",
                "CapBnd: 0000000000000000",
            ];
            tells("root without any", &[], &words)
        }),
        as_root(
            "supplemental_groups_come_on_top_where_nobody_else_is_asked_for",
            || {
                tells(
                    "a group more",
                    &["setpriv", "--groups=7"],
                    &["uid 0 gid 0 groups 0 7 2000"],
                )
            },
        ),
        as_root(
            "a_restricted_container_runs_under_a_monopod_of_its_own_uid",
            || {
                let words = ["uid 1000 gid 1000 groups 1000 2000", "NoNewPrivs: 1"];
                tells("restricted", &AS_1000, &words)
            },
        ),
        as_root(
            "who_is_not_root_cannot_make_somebody_else_and_says_so",
            || is_refused("somebody", &AS_1000, Stage::Identity, "securityContext"),
        ),
        as_root("a_capability_that_monopod_does_not_have_is_refused", || {
            is_refused(
                "a right too many",
                &AS_1000,
                Stage::Identity,
                "operation not permitted",
            )
        }),
        Trial::test("a_program_starts_in_its_working_directory", || {
            tells("in /usr", &[], &["/usr\n"])
        }),
        Trial::test("a_working_directory_that_is_not_there_is_named", || {
            let words = "cannot start web: its working directory /usr/nowhere: no such file";
            is_refused(
                "in a folder that is not there",
                &[],
                Stage::WorkingDir,
                words,
            )
        }),
        Trial::test(
            "an_entry_has_a_session_and_a_group_of_its_own_and_no_terminal",
            || tells("session", &[], &["alone"]),
        ),
    ]
}
