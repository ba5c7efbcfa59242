"""start.py THREADS WEIGHTS PICTURE: what start.lua does, in PyTorch."""
import sys
import torch, torchvision
from PIL import Image
from torchvision import transforms

torch.set_num_threads(int(sys.argv[1]))
net = torchvision.models.resnet18()
net.load_state_dict(torch.load(sys.argv[2]))
net.eval()
view = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                           transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
with torch.no_grad():
    p = net(view(Image.open(sys.argv[3]).convert("RGB")).unsqueeze(0)).softmax(1)[0]
for value, index in zip(*p.topk(3)):
    print(f"{100 * value:5.1f} %  {index}")
