//! How commands are sent on a connection to one server.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};

/// Sends commands together. Answers what the only one answers, or a list of all answers. An error
/// of any of them is the error of all.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    commands: &[&Cmd],
) -> RedisResult<Value> {
    if let [command] = commands {
        let answer = connection.send_packed_command(command).await;
        return answer?.extract_error();
    }
    let mut together = Pipeline::new();
    for command in commands {
        together.add_command((*command).clone());
    }
    let answers = connection.send_packed_commands(&together, 0, commands.len());
    Value::Array(answers.await?).extract_error()
}

/// Sends commands together to the node to which their slot is being moved.
///
/// `ASKING` allows the next command only. It goes in one piece with the commands, so that none of
/// another caller takes the permission.
pub(super) async fn send_asking(
    connection: &mut MultiplexedConnection,
    commands: &[&Cmd],
) -> RedisResult<Value> {
    let asking = redis::cmd("ASKING");
    let together = [&[&asking], commands].concat();
    let Value::Array(mut answers) = send(connection, &together).await? else {
        return Ok(Value::Nil);
    };
    answers.remove(0);
    match answers.len() {
        1 => Ok(answers.remove(0)),
        _ => Ok(Value::Array(answers)),
    }
}
