// Memory of a device.
#pragma once

namespace bulwark {

/// Device memory, freed with the object.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* data() = 0;
};

}  // namespace bulwark
