//! Termination messages, the containers' and ours.

use crate::as_root;
use crate::stage::{Life, Named, Scene, VERB, container, first, holds, on, plan, program, same};
use libtest_mimic::{Failed, Trial};
use monopod::machine::{Action, Ending, Fact, Happening, RunId};
use monopod::plan::{ContainerId, ExitCode, ProgramId, TerminationMessage};
use std::process::Command;

/// Two instances, one after the other. Only the first has something to say, and the second would be heard with it.
fn scene_of(path: &str) -> Scene {
    let script = r#"if mkdir "$D/been"; then echo first words > "$D/message"; exit 3; fi; exit 4"#;
    let mut web = container("web", 0);
    web.termination_message = Some(TerminationMessage {
        path: Some(path.into()),
        or_output: false,
    });
    let ended = |run, code| {
        move |fact: &Fact| *fact == Fact::Ended(RunId(run), Ending::Exited(ExitCode(code)))
    };
    let say = |code| {
        let ending = Ending::Exited(ExitCode(code));
        Action::Say(Happening::ContainerEnded(ContainerId(0), ending, false))
    };
    let start = |run| Action::Start(RunId(run), ProgramId(0));
    Scene {
        plan: plan(vec![program("web", script)], vec![web]),
        script: vec![
            first(vec![start(1)]),
            on(ended(1, 3), vec![say(3), start(2)]),
            on(ended(2, 4), vec![say(4), Action::Leave(ExitCode(4))]),
        ],
    }
}

pub fn scenes() -> Vec<Named> {
    vec![("message", || {
        let folder = std::env::var("D").unwrap_or_default();
        scene_of(&format!("{folder}/message"))
    })]
}

/// Runs the scene where there is a folder `D`, and /dev is a place of its own with this done in it.
fn in_a_place(before: &str, after: &str) -> Result<(Option<i32>, String, String), Failed> {
    let own = std::env::current_exe()?;
    let script = format!(
        r#"mount -t tmpfs none /dev && mkdir /dev/ground && export D=/dev/ground && {before}
        "$0" {VERB} message; code=$?; {after}; exit $code"#
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(own)
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    ))
}

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "s121_s126_a_message_is_told_with_the_end_and_forgotten_at_the_next_start",
            || {
                let folder =
                    std::env::temp_dir().join(format!("monopod-words-{}", std::process::id()));
                std::fs::create_dir(&folder)?;
                let wrapped = format!("D={}", folder.display());
                let end = Life::begin("message", &["env", &wrapped])?.end();
                std::fs::remove_dir_all(&folder)?;
                let end = end?;
                same(end.code, Some(4), &end)?;
                holds(&end.logged, "web exited with 3: first words\n")?;
                holds(&end.logged, "web exited with 4\n")
            },
        ),
        as_root("the_outer_pod_is_told_why_if_it_asks", || {
            let (code, said, logged) =
                in_a_place(": > /dev/termination-log", "cat /dev/termination-log")?;
            holds(
                &format!("{code:?} {said}{logged}"),
                "Some(4) monopod: web exited with 4\n",
            )
        }),
        as_root("what_the_application_told_the_outer_pod_stays", || {
            let (_, said, _) = in_a_place(
                "echo mine > /dev/termination-log",
                "cat /dev/termination-log",
            )?;
            holds(&said, "mine\n")?;
            match said.contains("monopod") {
                true => Err(said.into()),
                false => Ok(()),
            }
        }),
        as_root("an_outer_pod_that_does_not_ask_is_told_nothing", || {
            let (code, said, logged) = in_a_place(":", "ls /dev")?;
            holds(&format!("{code:?} {said}{logged}"), "Some(4) ground\n")
        }),
    ]
}
