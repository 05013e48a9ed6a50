// How LibTorch gets memory on the CPU. Internal to supernet/execution.
#pragma once

namespace precis {

// For the whole process: freed memory is kept for reuse rather than given back to the system, and tensors are
// allocated so that what one frees fits the next of its size. A second call changes nothing.
void SetUpHostMemory();

}  // namespace precis
