//! How a command's end becomes the init's end.

use crate::ensure;
use crate::harness::inits::Init;
use crate::harness::launch::Launch;
use crate::harness::needs::Need;
use crate::harness::run::End;
use crate::harness::{Case, Outcome, Scene, patience, until};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let fork_refused = "a fork refused by the limit of processes is code 126 and a plain line";
    vec![
        Case::of_all("every exit code from 0 to 255 is handed on", every_code),
        Case::of_all(
            "a command killed by signal N, real-time ones too, is 128+N",
            every_death,
        ),
        Case::of_all("a command that is not there is code 127", not_there),
        Case::of_all(
            "a command that may not be executed is code 126",
            not_executable,
        ),
        Case::of_all("a directory as the command is code 126", directory),
        Case::of_all(
            "a command whose interpreter is missing is code 127",
            no_interpreter,
        ),
        Case::of_all(
            "the exit code is right when stdin, stdout and stderr are closed",
            no_stdio,
        ),
        Case::of(
            &Init::OURS,
            "what cannot be started is said in one plain line",
            one_line,
        ),
        Case::of(&Init::OURS, fork_refused, fork_refused_by_limit),
        Case::of(
            &Init::OURS,
            "a fork refused by the pids cgroup is code 126, a plain line and no zombie",
            fork_refused_by_cgroup,
        )
        .needing(Need::PidsCgroup),
        Case::own(
            "a wrong command line is code 64, one line, and nothing is started",
            misuse,
        ),
        Case::of(
            &[
                Init::AsTini,
                Init::AsDumbInit,
                Init::AsCatatonit,
                Init::Tini,
                Init::TiniStatic,
                Init::DumbInit,
                Init::Catatonit,
            ],
            "an unknown flag is code 1 and nothing is started",
            dropin_misuse,
        ),
    ]
}

fn every_code(scene: &Scene) -> Outcome {
    for code in 0..=255 {
        scene
            .launch(&[], &format!("exit {code}"))
            .start()?
            .ends_with(code)?;
    }
    Ok(())
}

fn every_death(scene: &Scene) -> Outcome {
    let survived = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    for signal in (1..=64).filter(|signal| !survived.contains(signal)) {
        scene
            .launch(&[], &format!("die {signal}"))
            .start()?
            .ends_with(128 + signal)
            .map_err(|why| format!("signal {signal}: {why}"))?;
    }
    Ok(())
}

fn not_there(scene: &Scene) -> Outcome {
    scene
        .launch_command(&[], &["no-such-program"])
        .start()?
        .ends_with(127)?;
    scene
        .launch_command(&[], &["/no/such/program"])
        .start()?
        .ends_with(127)
}

fn not_executable(scene: &Scene) -> Outcome {
    let file = scene.dir.join("plain");
    std::fs::write(&file, "words\n").map_err(|why| why.to_string())?;
    scene
        .launch_command(&[], &[&file.to_string_lossy()])
        .start()?
        .ends_with(126)
}

fn directory(scene: &Scene) -> Outcome {
    scene.launch_command(&[], &["/usr"]).start()?.ends_with(126)
}

fn script_without_interpreter(scene: &Scene) -> Outcome<String> {
    use std::os::unix::fs::PermissionsExt;
    let file = scene.dir.join("script");
    std::fs::write(&file, "#!/no/such/interpreter\n")
        .and_then(|()| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)))
        .map_err(|why| why.to_string())?;
    // A story beside this one may have forked while the file was open, and what somebody writes to is not executed. Only
    // a file that nobody has open for writing can have such a lease (fcntl(2)).
    let script = std::fs::File::open(&file).map_err(|why| why.to_string())?;
    until("nobody writes to the script", patience(), || {
        // SAFETY: plain numbers; the lease ends with the descriptor.
        let lease = unsafe { libc::fcntl(script.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
        Ok((lease == 0).then_some(()))
    })?;
    Ok(file.to_string_lossy().into_owned())
}

fn no_interpreter(scene: &Scene) -> Outcome {
    let file = script_without_interpreter(scene)?;
    scene.launch_command(&[], &[&file]).start()?.ends_with(127)
}

fn no_stdio(scene: &Scene) -> Outcome {
    use crate::harness::launch::Stdio::Closed;
    scene
        .launch(&[], "say up exit 7")
        .stdin(Closed)
        .stdout(Closed)
        .stderr(Closed)
        .start()?
        .ends_with(7)?;
    scene
        .launch(&[], "exit 7")
        .stdin(Closed)
        .start()?
        .ends_with(7)?;
    scene
        .launch(&[], "exit 7")
        .stdout(Closed)
        .start()?
        .ends_with(7)?;
    scene
        .launch(&[], "exit 7")
        .stderr(Closed)
        .start()?
        .ends_with(7)
}

/// One line that names the program and, if given, the reason.
fn says_in_one_line(stderr: &str, words: &[&str]) -> Outcome {
    ensure!(
        stderr.lines().count() == 1 && stderr.ends_with('\n'),
        "expected one line, saw {stderr:?}"
    );
    for word in words {
        ensure!(
            stderr.to_lowercase().contains(&word.to_lowercase()),
            "{stderr:?} does not say {word:?}"
        );
    }
    Ok(())
}

fn one_line(scene: &Scene) -> Outcome {
    let mut run = scene.launch_command(&[], &["no-such-program"]).start()?;
    run.ends_with(127)?;
    says_in_one_line(&run.stderr(), &["no-such-program"])?;
    let mut run = scene.launch_command(&[], &["/usr"]).start()?;
    run.ends_with(126)?;
    says_in_one_line(&run.stderr(), &["/usr", "permission denied"])?;
    let script = script_without_interpreter(scene)?;
    let mut run = scene.launch_command(&[], &[&script]).start()?;
    run.ends_with(127)?;
    says_in_one_line(&run.stderr(), &[&script, "interpreter"])
}

fn fork_refused_by_limit(scene: &Scene) -> Outcome {
    // RLIMIT_NPROC counts by uid, so each trial has a uid that nobody else uses.
    let uid = 70_000 + scene.init as u32;
    let mut run = scene
        .launch(&[], "say up")
        .uid(uid)
        .processes_at_most(1)
        .start()?;
    run.ends_with(126)?;
    says_in_one_line(&run.stderr(), &["no process", "limit"])?;
    run.ear.expect_silence()
}

/// The directory of the pids controller: cgroup v1's own, or version 2's tree if it hands the controller on.
pub fn pids_cgroup_root() -> Option<PathBuf> {
    let first = PathBuf::from("/sys/fs/cgroup/pids");
    let second = PathBuf::from("/sys/fs/cgroup");
    let hands_on = |dir: &PathBuf| {
        std::fs::read_to_string(dir.join("cgroup.subtree_control"))
            .is_ok_and(|list| list.split_whitespace().any(|name| name == "pids"))
    };
    match first.join("cgroup.procs").exists() {
        true => Some(first),
        false => Some(second).filter(hands_on),
    }
}

struct Cgroup(PathBuf);

impl Cgroup {
    fn new(scene: &Scene, pids_at_most: u32) -> Outcome<Cgroup> {
        let root = pids_cgroup_root().ok_or("no pids controller")?;
        let name = scene.dir.to_string_lossy().replace('/', "-");
        let group = Cgroup(root.join(name.trim_start_matches('-')));
        std::fs::create_dir(&group.0)
            .and_then(|()| std::fs::write(group.0.join("pids.max"), pids_at_most.to_string()))
            .map_err(|why| format!("{}: {why}", group.0.display()))?;
        Ok(group)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel refuses while a process is in it; the last one has just been collected.
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn fork_refused_by_cgroup(scene: &Scene) -> Outcome {
    let cgroup = Cgroup::new(scene, 1)?;
    let mut run = scene.launch(&[], "say up").cgroup(&cgroup.0).start()?;
    run.ends_with(126)?;
    says_in_one_line(&run.stderr(), &["no process", "limit"])?;
    run.ear.expect_silence()
}

fn misuse(scene: &Scene) -> Outcome {
    let env_file = scene.dir.join("missing.env");
    let env_file = env_file.to_string_lossy();
    let wrong: &[&[&str]] = &[
        &["--no-such-flag", "--"],
        &["--grace", "soon", "--"],
        &["--drain", "-1", "--"],
        &["--stop-signal", "SIGNONSENSE", "--"],
        &["--remap-exit", "300=0", "--"],
        &["--remap-exit", "5", "--"],
        &["--init-retries", "many", "--"],
        &["--init", "'unbalanced", "--"],
        &["--init", "", "--"],
        &["--health", "nonsense", "--"],
        &["--health", ":99999", "--"],
        &["--log-level", "loud", "--"],
        &["--log-format", "xml", "--"],
        &["--env-file", &env_file, "--"],
    ];
    for flags in wrong {
        let mut words = flags.to_vec();
        let child = crate::harness::inits::child().to_string_lossy();
        let ear = scene.ear_path();
        let ear = ear.to_string_lossy();
        words.extend([&*child, "__child", &*ear, "say", "up"]);
        let mut run = Launch::words(scene, scene.init, &words).start()?;
        run.ends_with(64)
            .map_err(|why| format!("{flags:?}: {why}"))?;
        says_in_one_line(&run.stderr(), &[]).map_err(|why| format!("{flags:?}: {why}"))?;
        run.ear.expect_silence()?;
    }
    let mut run = Launch::words(scene, scene.init, &[]).start()?;
    run.ends_with(64)
        .map_err(|why| format!("no command: {why}"))
}

fn dropin_misuse(scene: &Scene) -> Outcome {
    let mut run = scene.launch(&["-z"], "say up").start()?;
    match run.end()? {
        End::Exited(1) => {}
        other => return Err(format!("expected 1, saw {other:?}")),
    }
    ensure!(
        !run.stderr().is_empty() || !run.stdout().is_empty(),
        "nothing was said"
    );
    run.ear.expect_silence()
}
