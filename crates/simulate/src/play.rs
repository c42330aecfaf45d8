//! Plays a stack and its variants under a load.

use uninlu_stack::Stack;

use super::fleet::Life;
use super::load::Load;
use super::pod::Capacity;
use super::profile::Profile;
use super::report::{LoadFacts, Options, Played, PodFacts, ProfileFacts, Report};
use super::run::{Scene, run};
use super::text;
use super::variant::{self, Kind, Variant};
use super::{Micros, SECOND, micros, seconds};

/// The load's first rate holds for so long before anything is counted, so that metrics and pods have settled.
const LEAD: Micros = 600 * SECOND;
/// Lengths of intervals in seconds, of which the first is taken that gives at most [`MOST_INTERVALS`].
const INTERVALS: [u32; 11] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
const MOST_INTERVALS: f64 = 120.0;

/// Plays the stack under the load, which was given as `text`.
pub fn report(
    stack: &Stack,
    profile: &Profile,
    load: &Load,
    text: &str,
    options: Options,
) -> Report {
    let (saturation, seed) = (&profile.saturation, options.seed);
    let characters = options.characters.unwrap_or(saturation.characters);
    let usual = interval(load.seconds());
    let interval = options.interval.map_or(usual, |given| given.as_secs_f64());
    let scene = Scene {
        arrivals: load.arrivals(LEAD, seed),
        lead: LEAD,
        end: LEAD + micros(load.seconds()),
        interval: micros(interval),
        objective: saturation.objective,
        life: Life::of(profile, stack),
        capacity: Capacity::of(profile, stack, characters),
        seed,
    };
    let mut variants = play(stack, &scene, saturation.requests_per_second);
    variants.extend(enough(&scene, load.peak() / scene.capacity.most()));
    let report = Report {
        stack: stack.name.clone(),
        environment: stack.environment.clone(),
        load: LoadFacts::of(load, text, characters),
        seed,
        profile: ProfileFacts {
            image: profile.image.clone(),
            measured_at: profile.measured_at.clone(),
            processor: profile.processor.clone(),
        },
        pod: PodFacts::of(profile, stack, &scene),
        objective: saturation.objective,
        interval: seconds(scene.interval),
        variants,
        answer: Vec::new(),
    };
    Report {
        answer: text::answer(&report),
        ..report
    }
}

fn interval(seconds: f64) -> f64 {
    let fits = |length: &&u32| seconds / f64::from(**length) <= MOST_INTERVALS;
    let longest = INTERVALS.last().copied().unwrap_or(3_600);
    f64::from(INTERVALS.iter().find(fits).copied().unwrap_or(longest))
}

fn play(stack: &Stack, scene: &Scene, rate: f64) -> Vec<Played> {
    variant::of(stack, rate)
        .into_iter()
        .map(|variant| Played::of(&variant, run(scene, &variant.size)))
        .collect()
}

/// The smallest fleet that holds the objective in every interval; from the fewest that can carry the peak at all up to
/// twice as many and some. `None` when no number of pods helps.
fn enough(scene: &Scene, fewest: f64) -> Option<Played> {
    let fewest = fewest.ceil().max(1.0) as i32;
    (fewest..=fewest * 2 + 4).find_map(|pods| {
        let variant = Variant::fixed(Kind::FixedEnough, pods);
        let outcome = run(scene, &variant.size);
        let holds = outcome.series.iter().all(|one| one.requests.holds());
        holds.then(|| Played::of(&variant, outcome))
    })
}
