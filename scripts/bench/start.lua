-- Opens the weights arg[1] and says what the picture arg[2] shows: a whole program, for its wall time.
local m = open(arg[1])
print(predict(m, arg[2], 3))
