//! Many random lives, one per seed, with the laws watching; and what only many lives can show.

use crate::happenings::HAPPENINGS;
use crate::kernel::Kernel;
use crate::laws::{Laws, law};
use crate::plans;
use crate::rng::Rng;
use crate::timeline::Timeline;
use crate::weather::weather;
use crate::weather_pod;
use crate::world::{Outcome, World};
use monopod::machine::{Action, Machine};
use monopod::plan::{Conduct, Plan};
use monopod::time::Time;
use std::panic::resume_unwind;

/// Steps of the machine in one run of the tests: ten million are promised of the ritual, which is optimised; whoever
/// tries something out need not wait for so many.
const STEPS: u64 = if cfg!(debug_assertions) {
    600_000
} else {
    10_100_000
};

/// How one seed's life is lived.
#[derive(Clone, Copy, Default)]
pub struct Wishes {
    /// Shuffles the facts of each turn by this seed.
    pub shuffle: Option<u64>,
    /// Keeps every turn's actions.
    pub diary: bool,
    /// Keeps the text.
    pub timeline: bool,
}

/// What became of one seed.
pub struct Life {
    /// The law that was broken, if any.
    pub verdict: Result<(), String>,
    /// Steps of the machine.
    pub turns: u64,
    /// Which happenings were said, as bits.
    pub said: u64,
    /// Every turn's actions, if wished for.
    pub diary: Vec<(Time, Vec<Action>)>,
    /// The text, if wished for.
    pub text: String,
    /// What the machine did when it was spoken to after all was over.
    pub afterwards: Vec<Action>,
}

/// Lives the life of this seed with the machine that `make` makes.
pub fn live(seed: u64, wishes: Wishes, make: impl Fn(&Plan) -> Box<dyn Machine>) -> Life {
    let mut rng = Rng::new(seed);
    let weather = weather(&mut rng);
    let plan = weather.plan;
    let order = wishes.shuffle.map(Rng::new);
    let kernel = Kernel::new(
        &plan,
        weather.cast,
        weather.repliers,
        weather.habits,
        rng.split(),
    );
    let laws = Laws::new(&plan, weather.command.as_ref());
    let mut world = World::new(make(&plan), kernel, laws, order);
    world.diary = wishes.diary.then(Vec::new);
    world.timeline = wishes.timeline.then(|| Timeline::new(&plan));
    for (at, event) in weather.events {
        world.kernel().plan_event(at, event);
    }
    // Every weather ends in a stop and then in everybody's death, so every life must end too.
    let verdict = world.live(Time::from_nanos(u64::MAX)).and_then(|outcome| {
        law(outcome == Outcome::Left, "every life ends", || {
            format!("{outcome:?}")
        })
    });
    let text = world.timeline.take().map_or_else(String::new, |timeline| {
        let conduct = match &plan.conduct {
            Conduct::Pod(pod) => weather_pod::describe(pod),
            Conduct::Passthrough(conduct) => format!("{conduct:?}\n"),
        };
        conduct + timeline.text()
    });
    Life {
        verdict,
        turns: world.turns,
        said: world.said(),
        diary: world.diary.take().unwrap_or_default(),
        text,
        afterwards: world.poke(),
    }
}

/// Prints how to get this very life again when the test fails within it, be it by a panic of the machine.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to see it: MONOPOD_SIM_SEED={} cargo test --test sim seeds",
                self.0
            );
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")),
    )
}

#[test]
fn ten_million_steps_keep_the_laws() {
    if let Some(seed) = number_from("MONOPOD_SIM_SEED") {
        let shuffle = Some(seed);
        let life = live(
            seed,
            Wishes {
                shuffle,
                timeline: true,
                diary: false,
            },
            plans::machine,
        );
        panic!("{}\n{:?}", life.text, life.verdict);
    }
    let enough = number_from("MONOPOD_SIM_STEPS").unwrap_or(STEPS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let (steps, said, seeds) = std::thread::scope(|scope| {
        let share = |first| scope.spawn(move || many_lives(first, threads, enough / threads));
        let shares: Vec<_> = (0..threads).map(share).collect();
        let shares = shares.into_iter().map(|share| share.join());
        shares.fold((0, 0, 0), |sum, share| {
            let (steps, said, seeds) = share.unwrap_or_else(|panic| resume_unwind(panic));
            (sum.0 + steps, sum.1 | said, sum.2 + seeds)
        })
    });
    println!("{steps} steps of the machine in {seeds} lives");
    assert!(steps + threads >= enough, "only {steps} steps");
    for (number, name) in HAPPENINGS.iter().enumerate() {
        assert!(
            said & (1 << number) != 0,
            "in {seeds} lives nobody ever said {name}"
        );
    }
}

/// Lives every `nth` seed from `first` on until so many steps were taken: steps, happenings said, lives.
fn many_lives(first: u64, nth: u64, enough: u64) -> (u64, u64, u64) {
    let (mut steps, mut said, mut seeds) = (0, 0, 0);
    while steps < enough {
        let seed = first + seeds * nth;
        let _replay = Replay(seed);
        let wishes = |timeline| Wishes {
            shuffle: Some(seed),
            timeline,
            diary: false,
        };
        let life = live(seed, wishes(false), plans::machine);
        if let Err(broken) = life.verdict {
            let again = live(seed, wishes(true), plans::machine);
            panic!("seed {seed} broke a law:\n{}\n{broken}", again.text);
        }
        steps += life.turns;
        said |= life.said;
        seeds += 1;
    }
    (steps, said, seeds)
}

#[test]
fn nothing_follows_a_leave() {
    for seed in 0..1000 {
        let _replay = Replay(seed);
        let life = live(seed, Wishes::default(), plans::machine);
        if life.verdict.is_ok() {
            assert_eq!(life.afterwards, [], "seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in 0..300 {
        let _replay = Replay(seed);
        let wishes = Wishes {
            diary: true,
            ..Wishes::default()
        };
        let once = live(seed, wishes, plans::machine);
        let twice = live(seed, wishes, plans::machine);
        assert_eq!(once.diary, twice.diary, "seed {seed}");
    }
}

/// Whether two facts of one turn came this way round or that is the kernel's whim. It may change the order of what is
/// said, and whether a program's end in the very turn of the ask is told as asked for; it may change nothing that is done.
#[test]
fn the_order_of_facts_within_a_turn_changes_nothing_that_is_done() {
    let deeds = |life: Life| -> Vec<(Time, Vec<Action>)> {
        let mut diary = life.diary;
        for (_, actions) in &mut diary {
            actions.retain(|action| !matches!(action, Action::Say(_)));
        }
        diary.retain(|(_, actions)| !actions.is_empty());
        diary
    };
    for seed in 0..3000 {
        let _replay = Replay(seed);
        let wishes = |shuffle| Wishes {
            shuffle,
            diary: true,
            timeline: false,
        };
        let plain = deeds(live(seed, wishes(None), plans::machine));
        for shuffle in [1, 2] {
            let shuffled = deeds(live(seed, wishes(Some(shuffle)), plans::machine));
            assert_eq!(plain, shuffled, "seed {seed}, shuffle {shuffle}");
        }
    }
}
