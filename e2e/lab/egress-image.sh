#!/usr/bin/env bash
# Runs in the lab, as the user: makes the image of the egress and keeps it. It would go with the last cage that has it, and
# making it takes as long as all else of a cage; a container that is never started holds it.
set -euo pipefail
agentcage() { /project/node_modules/.bin/node /project/dist/agentcage.js "$@"; }
cd
agentcage cage destroy -y held
printf 'name: held\ncontainer: { image: "localhost/agent:lab" }\n' > held.yaml
agentcage cage create -c held.yaml --no-start
image=$(sed -n 's/^ *"egress_image": "\(.*\)",*$/\1/p' .config/agentcage/deployments/held/deployment.json)
podman create --replace --pull never --name egress-image "sha256:$image"
agentcage cage destroy -y held
