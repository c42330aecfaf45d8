//! The last lines of an apply: the address, and what to run next.

use super::common::{StackArgs, in_shell};
use crate::kinds::{self, Kind};
use crate::plan::Goal;
use crate::stack::CONTAINER_PORT;

/// Two lines for a person. Without a Service there is no address.
pub(super) fn lines(goal: &Goal, stack: &StackArgs, is_verified: bool) -> Vec<String> {
    let stack = stack.given();
    let status = format!("`uninlu status{stack}` shows the pods");
    let next = match is_verified {
        true => format!("next: {status}"),
        false => {
            format!("next: `uninlu verify{stack}` checks what the stack promises; {status}")
        }
    };
    address(goal).into_iter().chain([next]).collect()
}

fn address(goal: &Goal) -> Option<String> {
    let service = kinds::of_kind(&goal.objects, Kind::Service)?;
    let name = service["metadata"]["name"].as_str()?;
    let port = service["spec"]["ports"][0]["port"].as_u64()?;
    let target = &goal.target;
    let (namespace, context) = (&target.namespace, in_shell(&target.context));
    let ports = forwarded(port);
    Some(format!(
        "address in the cluster: http://{name}.{namespace}:{port}; from here: `kubectl --context {context} -n {namespace} port-forward service/{name} {ports}`"
    ))
}

/// The ports as `kubectl port-forward` takes them: root alone may open one below 1024 here.
fn forwarded(port: u64) -> String {
    match port {
        ..1024 => format!("{CONTAINER_PORT}:{port}"),
        _ => port.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::PlannedImage;

    fn said(file: &str, env: Option<&str>, is_verified: bool) -> String {
        let stack = crate::stack::load(Path::new("stacks/local"), None).expect("a stack");
        let image = PlannedImage {
            reference: "nlu@sha256:1".to_owned(),
            to_be_built: None,
        };
        let stack_args = StackArgs {
            stack: file.into(),
            env: env.map(str::to_owned),
        };
        let goal = Goal::of_stack(&stack, image, None);
        lines(&goal, &stack_args, is_verified).join("\n")
    }

    #[test]
    fn the_next_commands_mean_the_same_stack() {
        assert_eq!(
            said("uninlu.toml", None, false),
            "address in the cluster: http://siamese-uninlu.uninlu-demo:7860; from here: `kubectl --context uninlu-test -n uninlu-demo port-forward service/siamese-uninlu 7860`\n\
             next: `uninlu verify` checks what the stack promises; `uninlu status` shows the pods"
        );
        let said = said("my stacks/a.toml", Some("staging"), true);
        let next = said.lines().last();
        assert_eq!(
            next,
            Some("next: `uninlu status 'my stacks/a.toml' --env staging` shows the pods")
        );
    }

    #[test]
    fn anybody_may_open_the_port_here() {
        assert_eq!(forwarded(80), "7860:80");
        assert_eq!(forwarded(1024), "1024");
    }
}
