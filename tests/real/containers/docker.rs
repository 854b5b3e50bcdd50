//! Stories under Docker, with `docker-init` being monopod.

use super::dockerd::{Container, docker};
use super::{code, output, run};
use crate::ensure;
use crate::harness::ear::Ear;
use crate::harness::inits::{self, Init};
use crate::harness::needs::Need;
use crate::harness::{Case, Outcome, Scene, os_error, patience, until};
use crate::http;
use crate::terminal::{Terminal, shell_with_jobs};
use std::process::Command;
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let docker = |case: Case| {
        case.needing(Need::Program("dockerd"))
            .needing(Need::Program("docker"))
            .needing(Need::Program("busybox"))
    };
    [
        Case::own("docker run --entrypoint hands on the exit code", entrypoint),
        Case::own(
            "docker stop ends the command with SIGTERM, at once, and what it left too",
            stop_container,
        ),
        Case::own("docker kill -s RTMIN+3 reaches the command", kill_real_time),
        Case::own(
            "docker's health check by monopod probe turns healthy when init is done",
            health_check,
        ),
        Case::own(
            "docker exec monopod status answers root and the container's user, and refuses another",
            control,
        ),
        Case::own(
            "docker exec monopod does not start the pod of the image's environment a second time",
            again,
        ),
        Case::own(
            "docker run --memory: who eats too much is OOMKilled, and who is killed by hand is not",
            out_of_memory,
        )
        .needing(Need::MemoryCgroup),
        Case::own(
            "docker run --read-only as a uid without capabilities",
            strict,
        ),
        Case::own(
            "docker run: containers of two uids open /dev/stdout, /dev/stderr and a captured log, relayed or not",
            output_of_users,
        ),
        Case::own(
            "docker run -it: Ctrl-Z, bg, fg and Ctrl-C work in a shell",
            interactive,
        ),
        Case::of(
            &[Init::AsTini],
            "docker version and docker info can read docker-init --version",
            info,
        ),
        Case::of(
            &[Init::AsTini],
            "docker run --init has docker-init as PID 1",
            init,
        ),
        Case::of(
            &[Init::AsTini],
            "docker run --init -it: Ctrl-Z, bg, fg and Ctrl-C work in a shell",
            init_interactive,
        ),
    ]
    .map(docker)
    .into()
}

/// The words of a script, after `--`.
fn script(scene: &Scene, script: &str) -> Vec<String> {
    let line = format!("-- {}", scene.script_line(script));
    line.split(' ').map(str::to_owned).collect()
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn entrypoint(scene: &Scene) -> Outcome {
    for wanted in [0, 7, 255] {
        let container = Container::of(scene);
        let command = script(scene, &format!("exit {wanted}"));
        let status = output(&mut container.run(&["--entrypoint", "/monopod"], &words(&command))?)?;
        ensure!(status.status.code() == Some(wanted), "{status:?}");
    }
    Ok(())
}

fn stop_container(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let command = script(
        scene,
        "orphan { setsid block 15 say up wait 15 sleep 200 say obeyed } pause",
    );
    run(&mut container.run(&["--detach", "--entrypoint", "/monopod"], &words(&command))?)?;
    ear.expect("up")?;
    let asked = Instant::now();
    run(&mut docker(&["stop", "--time", "20", &container.0])?)?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    ear.expect_next("obeyed")?;
    let code = container.inspect("{{.State.ExitCode}}")?;
    ensure!(code == "143", "exit code {code}");
    Ok(())
}

fn kill_real_time(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let command = script(scene, "ears");
    run(&mut container.run(&["--detach", "--entrypoint", "/monopod"], &words(&command))?)?;
    ear.expect("ready")?;
    for (name, number) in [("RTMIN+3", 37), ("HUP", 1), ("TERM", 15)] {
        run(&mut docker(&["kill", "--signal", name, &container.0])?)?;
        ear.expect_next(&format!("sig {number}"))?;
    }
    Ok(())
}

fn health_check(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let variable = format!("MONOPOD_HEALTH=127.0.0.1:{}", http::free_port()?);
    let step = scene.script_line("block 10 say step wait 10");
    let mut command = vec!["--init".to_owned(), step];
    command.extend(script(scene, "say up pause"));
    let flags = [
        "--detach",
        "--entrypoint",
        "/monopod",
        "--env",
        &variable,
        "--health-cmd",
        "/monopod probe ready",
        "--health-interval",
        "500ms",
        "--health-retries",
        "1000",
    ];
    run(&mut container.run(&flags, &words(&command))?)?;
    ear.expect("step")?;
    until("docker has asked once in vain", patience(), || {
        let failures = container.inspect("{{.State.Health.FailingStreak}}")?;
        Ok((failures != "0").then_some(()))
    })?;
    run(&mut docker(&["kill", "--signal", "USR1", &container.0])?)?;
    ear.expect("up")?;
    until("docker calls it healthy", patience(), || {
        Ok((container.inspect("{{.State.Health.Status}}")? == "healthy").then_some(()))
    })
}

fn control(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let variable = format!("MONOPOD_CONTROL={}/control.sock", scene.dir.display());
    let command = script(scene, "say up pause");
    let flags = [
        "--detach",
        "--entrypoint",
        "/monopod",
        "--user",
        "12345",
        "--env",
        &variable,
    ];
    run(&mut container.run(&flags, &words(&command))?)?;
    ear.expect("up")?;
    let ask = |user: &[&str], what: &str| {
        let mut words = vec!["exec"];
        words.extend(user);
        words.extend([container.0.as_str(), "/monopod", what]);
        output(&mut docker(&words)?)
    };
    for user in [&[][..], &["--user", "0"]] {
        let answer = ask(user, "status")?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        ensure!(
            answer.status.success() && text.contains("1/1     Running"),
            "{user:?}: {answer:?}"
        );
    }
    let refused = ask(&["--user", "999"], "stop")?;
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        refused.status.code() == Some(1) && stderr.contains("not allowed"),
        "{refused:?}"
    );
    // It is of the container too and may be ended with it, so what it leaves with says nothing.
    ask(&[], "stop")?;
    let code = run(&mut docker(&["wait", &container.0])?)?;
    ensure!(code.trim() == "143", "exit code {code}");
    Ok(())
}

fn again(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let manifest = scene.dir.join("pod.yaml");
    let command = crate::pods::pod::command(scene, "say up pause");
    let text = format!("{{containers: [{{name: web, command: {command}}}]}}");
    std::fs::write(&manifest, text).map_err(|why| why.to_string())?;
    let variable = format!("MONOPOD_MANIFEST={}", manifest.display());
    let flags = ["--detach", "--entrypoint", "/monopod", "--env", &variable];
    run(&mut container.run(&flags, &[])?)?;
    ear.expect("up")?;
    // Should it be led a second time, it would not end.
    let words = ["exec", &container.0, "busybox", "timeout", "10", "/monopod"];
    let answer = output(&mut docker(&words)?)?;
    let stderr = text_of(&answer.stderr);
    ensure!(
        answer.status.code() == Some(1) && stderr.contains("see monopod status"),
        "{answer:?}"
    );
    ear.expect_silence()
}

fn out_of_memory(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let manifest = scene.dir.join("pod.yaml");
    let command = crate::pods::pod::command(scene, "say up pause");
    // More than it may have, and not so much that a machine without limits would miss it.
    let eater = r#"["sh", "-c", "exec tail -c 300000000 /dev/zero"]"#;
    let text = format!(
        "{{restartPolicy: Never, containers: [{{name: eater, command: {eater}}}, {{name: web, command: {command}}}]}}"
    );
    std::fs::write(&manifest, text).map_err(|why| why.to_string())?;
    let file = manifest.to_string_lossy();
    let flags = [
        "--detach",
        "--memory",
        "64m",
        "--memory-swap",
        "64m",
        "--entrypoint",
        "/monopod",
    ];
    run(&mut container.run(&flags, &["-f", &file])?)?;
    ear.expect("up")?;
    let exec = |words: &[&str]| run(&mut docker(&[&["exec", &container.0], words].concat())?);
    until("the eater is OOMKilled", patience(), || {
        let text = exec(&["/monopod", "status"])?;
        let mut rows = text.lines().filter(|row| row.starts_with("eater "));
        Ok(rows.any(|row| row.contains("OOMKilled")).then_some(()))
    })?;
    exec(&["/monopod", "signal", "web", "KILL"])?;
    let code = run(&mut docker(&["wait", &container.0])?)?;
    ensure!(code.trim() == "137", "exit code {code}");
    let logs = output(&mut docker(&["logs", &container.0])?)?;
    let stderr = text_of(&logs.stderr);
    let tells = |words: &str| stderr.lines().any(|line| line.ends_with(words));
    ensure!(
        stderr.contains("eater was killed by SIGKILL: out of memory")
            && tells("web was killed by SIGKILL"),
        "{stderr}"
    );
    Ok(())
}

fn strict(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let variable = format!("MONOPOD_HEALTH=127.0.0.1:{}", http::free_port()?);
    let command = script(scene, "orphan { say orphan } ears");
    let flags = [
        "--detach",
        "--entrypoint",
        "/monopod",
        "--read-only",
        "--user",
        "12345",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--env",
        &variable,
    ];
    run(&mut container.run(&flags, &words(&command))?)?;
    ear.expect("ready")?;
    run(&mut docker(&[
        "exec",
        &container.0,
        "/monopod",
        "probe",
        "ready",
    ])?)?;
    run(&mut docker(&["kill", "--signal", "USR2", &container.0])?)?;
    ear.expect("sig 12")
}

fn output_of_users(scene: &Scene) -> Outcome {
    let user = |name: &str, uid: u32| {
        format!(
            "{{name: {name}, securityContext: {{runAsUser: {uid}}}, command: [sh, -c, \"echo {name} out > /dev/stdout; \
             echo {name} err > /dev/stderr; echo {name} log > /tmp/log\"]}}"
        )
    };
    let manifest = scene.dir.join("pod.yaml");
    let text = format!(
        "{{restartPolicy: Never, containers: [{}, {}]}}",
        user("ann", 1000),
        user("bob", 1001)
    );
    std::fs::write(&manifest, text).map_err(|why| why.to_string())?;
    for (how, dress) in [("inherit", ""), ("prefix", "ann | ")] {
        let container = Container::of(scene);
        let file = manifest.to_string_lossy();
        let command = ["--output", how, "--capture", "/tmp/log:ann", "-f", &file];
        let ran = output(&mut container.run(&["--entrypoint", "/monopod"], &command)?)?;
        ensure!(ran.status.success(), "{how}: {ran:?}");
        let (out, err) = (text_of(&ran.stdout), text_of(&ran.stderr));
        for line in ["ann out", "ann log", "bob log"] {
            let line = format!("{dress}{line}");
            ensure!(
                out.lines().any(|said| said == line),
                "{how}: no {line:?}: {ran:?}"
            );
        }
        ensure!(
            out.lines().count() == 4 && err.lines().count() == 2,
            "{how}: {ran:?}"
        );
    }
    Ok(())
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn interactive_with(scene: &Scene, flags: &[&str], command: &[&str]) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let mut terminal = Terminal::new()?;
    let mut all = vec!["--interactive", "--tty", "--env", "PS1=prompt> "];
    all.extend(flags);
    let mut client = container
        .run(&all, command)?
        .stdin(terminal.line()?)
        .stdout(terminal.line()?)
        .stderr(terminal.line()?)
        .spawn()
        .map_err(|why| why.to_string())?;
    let outcome = shell_with_jobs(scene, &mut terminal, &mut ear, || container.pid());
    if outcome.is_err() {
        let _ = client.kill();
    }
    let code = code(&mut client);
    outcome?;
    ensure!(code == Ok(4), "docker run ended with {code:?}");
    Ok(())
}

fn interactive(scene: &Scene) -> Outcome {
    interactive_with(scene, &["--entrypoint", "/monopod"], &["/bin/sh", "-i"])
}

fn init_interactive(scene: &Scene) -> Outcome {
    interactive_with(scene, &["--init"], &["/bin/sh", "-i"])
}

fn info(_scene: &Scene) -> Outcome {
    let format = "{{range .Server.Components}}{{.Name}}={{.Version}} {{end}}";
    let text = run(&mut docker(&["version", "--format", format])?)?;
    ensure!(
        text.split_whitespace()
            .any(|part| part == "docker-init=0.19.0"),
        "docker version says {text:?}; docker-init says {:?}",
        run(Command::new(inits::link("docker-init")).arg("--version"))
    );
    // What the daemon cannot read it calls N/A, with a warning in its log.
    let text = run(&mut docker(&["info"])?)?;
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("init version:"));
    ensure!(
        line.is_some_and(|line| !line.contains("N/A")),
        "docker info says {line:?}"
    );
    Ok(())
}

fn init(scene: &Scene) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let container = Container::of(scene);
    let line = scene.script_line("orphan { say orphan } ears");
    let command: Vec<&str> = line.split(' ').collect();
    run(&mut container.run(&["--detach", "--init"], &command)?)?;
    ear.expect("ready")?;
    let pid = container.pid()?;
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).map_err(|_| os_error("its exe"))?;
    ensure!(exe.ends_with("docker-init"), "PID 1 is {exe:?}");
    run(&mut docker(&["kill", "--signal", "RTMIN+3", &container.0])?)?;
    ear.expect("sig 37")?;
    drop(container);

    let container = Container::of(scene);
    let line = scene.script_line("exit 9");
    let command: Vec<&str> = line.split(' ').collect();
    let status = output(&mut container.run(&["--init"], &command)?)?;
    ensure!(status.status.code() == Some(9), "{status:?}");
    Ok(())
}
