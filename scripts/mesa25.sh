#!/usr/bin/env bash
# Prints the path of a Vulkan driver manifest for lavapipe of Mesa 25: `VK_DRIVER_FILES=$(scripts/mesa25.sh) …`.
# Debian 12 has Mesa 22 and a newer one in its backports: that is unpacked into the target directory, and nothing is installed but
# what the Mesa 22 of `scripts/adapters.sh` needs too. Where Mesa 25 is what the system has, its own manifest is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/adapters.sh
source scripts/adapters.sh >&2

version=$(dpkg-query -W -f='${Version}' mesa-vulkan-drivers)
if [[ ${version%%.*} == 25 ]]; then
    ls /usr/share/vulkan/icd.d/lvp_icd*.json
    exit
fi
target=$(target_directory)
place=$target/mesa-25
manifest=$place/lvp_icd.json
if [[ ! -e $manifest ]]; then
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # The mirror that this system uses for the release that it is.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' | sed -n "s/ $codename\$//p" | head -n 1)
    [[ -n $codename && -n $mirror ]] || {
        echo "mesa25.sh: no package source of this Debian release" >&2
        exit 1
    }
    rm -rf "$place"
    mkdir -p "$place"/apt/{lists,cache}/partial
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$key] $mirror $codename-backports main" >"$place/apt/sources.list"
    options=(-qq -o "Dir::Etc::SourceList=$place/apt/sources.list" -o Dir::Etc::SourceParts=- -o APT::Sandbox::User=
        -o "Dir::State::Lists=$place/apt/lists" -o "Dir::Cache=$place/apt/cache")
    apt-get "${options[@]}" update >&2
    # The driver wants a newer libdrm than the system has, and finds it beside itself.
    (cd "$place/apt" && apt-get "${options[@]}" download mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 >&2)
    for package in "$place"/apt/*.deb; do
        dpkg-deb -x "$package" "$place"
    done
    rm -r "$place/apt"
    library=$(echo "$place"/usr/lib/*/libvulkan_lvp.so)
    if ! LD_LIBRARY_PATH=$(dirname "$library") ldd "$library" | grep -q 'not found'; then
        printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.4.305"}}\n' "$library" >"$manifest"
    else
        echo "mesa25.sh: a library is missing" >&2
        exit 1
    fi
fi
echo "$manifest"
