"""head_only.py THREADS MODE WORKERS WEIGHTS FOLDER EPOCHS BATCH: what head_only.lua does, in PyTorch.

MODE is eager or channels_last, WORKERS the DataLoader's processes.
"""
import sys
import torch, torchvision
from torch.utils.data import DataLoader, Subset
from torchvision import transforms

threads, mode, workers, weights, folder, epochs, batch = sys.argv[1:]
torch.set_num_threads(int(threads))
view = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                           transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
photographs = Subset(torchvision.datasets.ImageFolder(folder, view), range(240))
loader = DataLoader(photographs, int(batch), shuffle=True, num_workers=int(workers), persistent_workers=workers != "0")

net = torchvision.models.resnet18()
net.load_state_dict(torch.load(weights))
head, net.fc = torch.nn.Linear(net.fc.in_features, 2), torch.nn.Identity()
net.eval().requires_grad_(False)
layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
net.to(memory_format=layout)
opt = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9)
for epoch in range(int(epochs)):
    total = right = 0
    for x, y in loader:
        with torch.no_grad():
            features = net(x.to(memory_format=layout))
        z = head(features)
        loss = torch.nn.functional.cross_entropy(z, y)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        total, right = total + loss.item() * len(y), right + (z.argmax(1) == y).sum().item()
print(f"loss {total / len(photographs):.4g} acc {right / len(photographs):.3f}")
