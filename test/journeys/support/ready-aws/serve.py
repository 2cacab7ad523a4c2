"""The AWS CLI, loaded once: each command runs in a fork of this process, with the arguments, the environment and the
three streams of whoever asks at the socket. A cold start takes half a second of processor time, thirty times over."""

import json
import os
import signal
import socket
import sys

import awscli.clidriver
import awscli.botocore.loaders

read = awscli.botocore.loaders.JSONFileLoader.load_file
known = {}


def load_file(self, path):
    if path not in known:
        known[path] = read(self, path)
    return known[path]


awscli.botocore.loaders.JSONFileLoader.load_file = load_file


def run(asked, connection):
    arguments, environment, directory = asked
    sys.argv = ["aws", *arguments]
    own = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update({**environment, "AWS_DATA_PATH": own})
    os.chdir(directory)
    try:
        code = awscli.clidriver.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code or 0]))
    os._exit(0)


def main(path):
    driver = awscli.clidriver.create_clidriver()
    for service in ("cloudwatch", "dynamodb", "lambda", "logs", "scheduler", "sqs", "ssm", "stepfunctions"):
        driver.session.get_service_model(service)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            message, streams, _, _ = socket.recv_fds(connection, 256 * 1024, 3)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            run(json.loads(message), connection)
        connection.close()


main(sys.argv[1])
