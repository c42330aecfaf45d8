//! Plays a stack and its variants under a load.

use uninlu_stack::Stack;

use super::fleet::Life;
use super::load::Load;
use super::pod::Capacity;
use super::profile::Profile;
use super::report::{LoadFacts, Options, Played, PodFacts, ProfileFacts, Report};
use super::run::{Scene, run};
use super::variant::{self, Kind, Variant};
use super::{Micros, SECOND, micros, seconds};
use super::{text, verdict};

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
    let usual = Capacity::of(profile, stack, saturation.characters);
    let rate = saturation.requests_per_second * scene.capacity.most() / usual.most();
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
        pod: PodFacts::of(profile, rate, &usual, &scene),
        objective: saturation.objective,
        interval: seconds(scene.interval),
        price: options.price,
        variants: variants(stack, &scene, rate, load)
            .into_iter()
            .map(|played| played.with_cost(options.price))
            .collect(),
        answer: Vec::new(),
        verdict: None,
        better: None,
    };
    Report {
        answer: text::answer(&report),
        verdict: verdict::verdict(&report),
        better: verdict::better(&report),
        ..report
    }
}

/// The stack, parts of its autoscaler, a suggestion, and fleets that never change.
fn variants(stack: &Stack, scene: &Scene, rate: f64, load: &Load) -> Vec<Played> {
    let play = |variant: &Variant| Played::of(variant, run(scene, &variant.size));
    let mut played: Vec<Played> = variant::of(stack, rate).iter().map(play).collect();
    let mean = played
        .first()
        .filter(|of_stack| !of_stack.is_fixed())
        .map(|of_stack| {
            let pods = of_stack.replica_hours * 3_600.0 / load.seconds();
            play(&Variant::fixed(
                Kind::FixedMean,
                (pods.round() as i32).max(1),
            ))
        });
    played.extend(mean);
    let enough = enough(scene, load.peak() / scene.capacity.most());
    // One more than is enough for a fixed fleet: an autoscaler is not as fast as the load.
    let room = enough.as_ref().map_or(0, |enough| enough.replicas[2] + 1);
    let room = i32::try_from(room).unwrap_or(i32::MAX);
    let is_known = |suggested: &Played| played.iter().any(|known| known.is_like(suggested));
    let suggested = suggestion(stack, scene, rate, room).filter(|suggested| !is_known(suggested));
    played.extend(suggested);
    played.extend(enough);
    played
}

/// The cheapest target for requests with which the objective holds, or with which it holds most.
fn suggestion(stack: &Stack, scene: &Scene, rate: f64, pods: i32) -> Option<Played> {
    let mut best: Option<Played> = None;
    for share in variant::SHARES {
        let variant = variant::suggested(stack, rate, share, pods);
        let played = Played::of(&variant, run(scene, &variant.size));
        let holds = played.intervals_missed == 0;
        if best
            .as_ref()
            .is_none_or(|best| played.intervals_missed < best.intervals_missed)
        {
            best = Some(played);
        }
        if holds {
            break;
        }
    }
    best
}

fn interval(seconds: f64) -> f64 {
    let fits = |length: &&u32| seconds / f64::from(**length) <= MOST_INTERVALS;
    let longest = INTERVALS.last().copied().unwrap_or(3_600);
    f64::from(INTERVALS.iter().find(fits).copied().unwrap_or(longest))
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
