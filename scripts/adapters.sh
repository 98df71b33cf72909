# Sourced: installs the software adapters on Debian, and points the Vulkan loader at them.

# Mesa's lavapipe (Vulkan) and llvmpipe (OpenGL through EGL); Chromium brings SwiftShader.
packages=(libvulkan1 mesa-vulkan-drivers libegl1 libgles2 libgl1-mesa-dri chromium)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
    echo "installing ${missing[*]}"
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

export VK_ADD_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json
# EGL wants one.
if [[ -z ${XDG_RUNTIME_DIR:-} ]]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
fi
export BMRU_ADAPTERS=llvmpipe@vulkan,swiftshader@vulkan,llvmpipe@gl
