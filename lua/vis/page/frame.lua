--- The page that common/sliding.lua fills: all in one file, nothing is fetched. @NAMES@ are filled in.
return [==[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>@TITLE@</title>
<style>
@STYLE@
</style>
</head>
<body>
<header><h1 id="title"></h1><p id="said" class="soft"></p></header>
<main>
  <section id="parts" aria-label="the parts"></section>
  <section id="side">
    <h2 id="name"></h2>
    <canvas id="out" tabindex="0" role="application"></canvas>
    <table class="sum" id="sum"></table>
    <p id="here" role="status" aria-live="polite"></p>
    <button id="play" aria-pressed="false">Slide</button>
    <button id="pin" aria-pressed="false">Hold</button>
    <p class="keys">Point at the map, or give it the focus and use the arrow keys (Home, End: first, last).
      Click or Enter holds a place; S slides.</p>
  </section>
</main>
<script type="application/json" id="data">@DATA@</script>
<script>
@SCRIPT@
</script>
</body>
</html>
]==]
